// Formats a job's view as text of 100 columns. Reads no clock and prints nothing; colours come only from the caller's `paint`.

import { listed } from '#protocol/text.ts'
import type { ClientView, JobView } from '../cluster/job-view.ts'
import { ageText, alignRows, labelled } from './columns.ts'

const WIDTH = 100
/** Most metrics in the table of rounds. */
const METRICS = 4
/** Most names in one line. */
const NAMED = 10
/** Most clients without a problem that are listed one by one. */
const MANY = 40

export type Tone = 'good' | 'bad' | 'waiting'
/** Colours a word; returns it unchanged without a terminal. */
export type Paint = (tone: Tone, text: string) => string

const TONES: Readonly<Record<JobView['state'], Tone>> = {
  New: 'waiting',
  Waiting: 'waiting',
  Training: 'good',
  QuorumLost: 'bad',
  Suspended: 'waiting',
  Complete: 'good',
  Failed: 'bad',
}

/** The lines of the whole status. `now` in milliseconds since 1970. */
export function statusLines(view: JobView, now: number, paint: Paint = (_, text) => text): string[] {
  return [
    ...headLines(view, now, paint),
    ...section('Conditions', conditionLines(view, now)),
    ...section(clientsTitle(view), clientLines(view.clients)),
    ...section(
      'Waits for',
      view.waitsFor.flatMap((text) => labelled('  ', text, WIDTH)),
    ),
    ...section('Rounds', roundLines(view)),
    ...section('Record', recordLines(view)),
    ...section('Output', outputLines(view)),
  ]
}

/** One line for a pipe that follows a job. */
export function summaryLine(view: JobView): string {
  const { state, round, rounds, attempt, metrics, clients, message } = view
  const again = attempt > 1 ? `, attempt ${attempt}` : ''
  const far = clients.filter(({ reason }) => reason === 'Outlier').map(({ name }) => name)
  const outliers = far.length === 0 ? '' : `far from the others: ${listed(far, NAMED)}`
  const parts = [state, `round ${round}/${rounds}${again}`, ...metricTexts(metrics), outliers, message]
  return parts.filter((part) => part !== '').join('  ')
}

function headLines(view: JobView, now: number, paint: Paint): string[] {
  const { namespace, name, state, conditions, round, rounds, attempt, metrics, best, message } = view
  const since = conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime
  const parts = [
    `${namespace}/${name}`,
    paint(TONES[state], state) + (since === undefined ? '' : ` for ${ageText(since, now)}`),
    `round ${round} of ${rounds}${attempt > 1 ? `, attempt ${attempt}` : ''}`,
  ]
  const measured = [
    ...metricTexts(metrics),
    ...(best ? [`best: ${best.metric} ${best.value.toFixed(4)} in round ${best.round}`] : []),
  ].join(', ')
  const text =
    state === 'New' ? 'The operator has not seen it yet; find out why: kubectl fedsam doctor' : message
  const below = [measured, text].filter((line) => line !== '')
  return [parts.join('  '), ...below.flatMap((line) => labelled('  ', line, WIDTH))]
}

function conditionLines({ conditions, message: said }: JobView, now: number): string[] {
  const rows = conditions.map(({ type, status, reason, lastTransitionTime }) => [
    `  ${type}`,
    status,
    reason,
    ageText(lastTransitionTime, now),
  ])
  // Do not repeat a message of the head or of a condition above.
  const told = new Set([said, ''])
  return alignRows(rows).flatMap((row, i) => {
    const { message } = conditions[i]!
    if (told.has(message)) return [row]
    told.add(message)
    return [row, ...labelled('      ', message, WIDTH)]
  })
}

function clientsTitle({ state, available, clients, needed }: JobView): string {
  if (state === 'Complete' || state === 'Failed') return 'Clients'
  const there = available === null ? '' : `${available} of ${clients.length} are available, `
  return `Clients: ${there}at least ${needed} are needed`
}

function clientLines(clients: readonly ClientView[]): string[] {
  const quiet = ({ state, reason }: ClientView): boolean =>
    (state === 'Present' || state === 'Connected' || state === 'Over') && reason === ''
  const shown = clients.length > MANY ? clients.filter((client) => !quiet(client)) : clients
  const reasons = shown.some(({ reason }) => reason !== '')
  const row = ({ name, state, reason }: ClientView): string[] =>
    reasons ? [`  ${name}`, state, reason, '|'] : [`  ${name}`, state, '|']
  const labels = alignRows(shown.map(row))
  const lines = shown.flatMap(({ message }, i) => labelled(labels[i]!.slice(0, -1), message, WIDTH))
  const left = clients.length - shown.length
  return left === 0 ? lines : [...lines, `  and ${left} without a problem`]
}

function roundLines({ history }: JobView): string[] {
  if (history.length === 0) return []
  const names = [...new Set(history.flatMap(({ metrics }) => Object.keys(metrics ?? {})))].slice(0, METRICS)
  const rows = history.map(({ round, attempt, cohort, accepted, seconds, metrics }) => [
    `  ${round}`,
    String(attempt ?? ''),
    `${accepted ?? '?'}/${cohort ?? '?'}`,
    seconds?.toFixed(1) ?? '',
    ...names.map((name) => metrics?.[name]?.toFixed(4) ?? ''),
  ])
  const head = ['  round', 'attempt', 'updates', 'seconds', ...names]
  return alignRows(
    [head, ...rows],
    head.map((_, i) => i),
  )
}

/** The address of the record, its source, and how another job can resume from a failed one. */
function recordLines({ record, resumeFrom, state, history }: JobView): string[] {
  if (record === null) return []
  const last = history.at(-1)?.round
  const start = resumeFrom == null ? [] : [`  started from round ${resumeFrom.round} of ${resumeFrom.prefix}`]
  const next =
    state === 'Failed' && last !== undefined
      ? [
          '  to resume from the last finished round, write in a new job:',
          `  resumeFrom: {prefix: ${record}, round: ${last}}`,
        ]
      : []
  return [`  ${record}`, ...start, ...next]
}

function outputLines({ output, namespace, name }: JobView): string[] {
  if (!output?.uri) return []
  const model = output.round === undefined ? '' : `the model of round ${output.round}`
  return [
    `  ${output.uri}`,
    ...(model ? [`  ${model}${output.digest ? `, ${output.digest}` : ''}`] : []),
    `  kubectl fedsam export fj/${name} -n ${namespace} --to FOLDER`,
  ]
}

function metricTexts(metrics: JobView['metrics']): string[] {
  return Object.entries(metrics)
    .slice(0, METRICS)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines]
}
