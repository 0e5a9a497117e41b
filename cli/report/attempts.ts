// The table of rounds: one row per attempt, with the clients whose updates count, and the outcome and reason of each other client.
// Pure.
import { outlierText } from '#protocol/outliers.ts'
import type { ClientOutcome, NotEvaluated } from '#protocol/record.ts'
import type { AttemptFacts } from './facts.ts'
import { byteText, metricText } from './figures.ts'
import { html, type Markup } from './markup.ts'

/** Names in one cell of the table. Of more names the cell shows the number, and the list when the reader opens it. */
const NAMES = 6

/** The table of all attempts. The row of an abandoned attempt gives the reason. */
export function attemptTable(attempts: readonly AttemptFacts[]): Markup {
  if (attempts.length === 0) return html`<p class="none">No attempt was closed yet.</p>`
  return html`<div class="wide"><table class="rounds">
<thead><tr>${[
    'round',
    'updates that count',
    'examples',
    'received',
    'training',
    'seconds',
    'not accepted, and warnings',
  ].map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${attempts.map(attemptRow)}</tbody>
</table></div>`
}

function attemptRow(facts: AttemptFacts): Markup {
  const { accepted, limited, others, metrics, seconds, abandoned } = facts
  const missing = others.filter(({ outcome }) => outcome !== 'NotSelected')
  const lost = missing.length > 0 || abandoned !== ''
  return html`<tr${lost ? html` class="lost"` : undefined}><th scope="row">${roundText(facts)}</th>
<td>${facts.kind === 'Evaluate' ? 'none: it only evaluates' : names(accepted.map(({ client }) => client))}${limitedUpdates(limited)}</td>
<td class="number">${facts.kind === 'Evaluate' ? '' : sum(accepted.map(({ numExamples }) => numExamples)).toLocaleString('en')}</td>
<td class="number">${facts.kind === 'Evaluate' ? '' : received(facts)}</td>
<td>${Object.entries(metrics).map(([name, value]) => html`<div>${name} ${metricText(value)}</div>`)}</td>
<td class="number">${seconds === null ? '' : seconds.toFixed(1)}</td>
<td>${abandoned === '' ? undefined : html`<div class="abandoned">abandoned: ${abandoned}</div>`}${outcomes(facts.kind === 'Evaluate' ? missing : others)}${unmeasured(facts)}${farFromOthers(facts)}</td></tr>
`
}

function roundText({ round, attempt, kind }: AttemptFacts): string {
  const what = kind === 'Evaluate' ? 'final evaluation' : String(round)
  return attempt === 1 ? what : `${what}, attempt ${attempt}`
}

function names(clients: readonly string[]): Markup {
  if (clients.length === 0) return html`none`
  if (clients.length <= NAMES) return html`${clients.join(', ')}`
  return html`<details><summary>${clients.length} clients</summary>${clients.join(', ')}</details>`
}

/** Lists each client with a figure far above those of the others. It counts all the same. */
function farFromOthers({ outliers }: AttemptFacts): Markup {
  return html`${outliers.map((outlier) => html`<div><b>${outlier.client}</b> is far from the others: ${outlierText(outlier)}</div>`)}`
}

/** Lists each update that counts for less than its client sent. */
function limitedUpdates(limited: readonly ClientOutcome[]): Markup {
  return html`${limited.map(({ client, message }) => html`<div><b>${client}</b>: ${message}</div>`)}`
}

function received({ accepted }: AttemptFacts): string {
  const known = accepted.flatMap(({ bytes }) => (bytes === null ? [] : [bytes]))
  return `${known.length < accepted.length ? 'at least ' : ''}${byteText(sum(known))}`
}

/** Lists each lost client with outcome and reason. Shows only the number of clients that were not selected. */
function outcomes(others: readonly ClientOutcome[]): Markup {
  const lost = others.filter(({ outcome }) => outcome !== 'NotSelected')
  const notSelected = others.filter(({ outcome }) => outcome === 'NotSelected').map(({ client }) => client)
  return html`${lost.map(
    ({ client, outcome, reason, message }) =>
      html`<div><b>${client}</b> ${outcome}${reason === '' ? '' : ` (${reason})`}${message === '' ? '' : `: ${message}`}</div>`,
  )}${notSelected.length === 0 ? undefined : html`<div class="quiet">not selected: ${names(notSelected)}</div>`}`
}

/** Lists each failed evaluation with its reason. Clients without held-out images appear only by name. */
function unmeasured({ round, others, notEvaluated }: AttemptFacts): Markup {
  const named = new Set(others.filter(({ outcome }) => outcome !== 'NotSelected').map(({ client }) => client))
  const news = notEvaluated.filter(({ client }) => !named.has(client))
  const nothing = news.filter(({ outcome }) => outcome === 'Nothing').map(({ client }) => client)
  const failed = news.filter(({ outcome }) => outcome !== 'Nothing')
  return html`${failed.map(
    ({ client, outcome, reason, message }: NotEvaluated) =>
      html`<div><b>${client}</b> did not evaluate the model of round ${round - 1}: ${outcome} (${reason}): ${message}</div>`,
  )}${nothing.length === 0 ? undefined : html`<div class="quiet">nothing held out: ${names(nothing)}</div>`}`
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
