// Converts the facts of a run to one HTML page. The page has no script, needs no network, and contains all pictures and styles.
// Pure.

import { attemptTable } from './attempts.ts'
import { chart } from './chart.ts'
import type { Comparison, ComparisonRow, HeldOutPicture, Pictures, RunFacts } from './facts.ts'
import { html, type Markup } from './markup.ts'
import { STYLE } from './style.ts'

export interface ReportFacts {
  readonly run: RunFacts
  readonly pictures: Pictures
  readonly comparison?: Comparison
}

/** The whole page. */
export function reportPage({ run, pictures, comparison }: ReportFacts): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${run.job}: federated run</title>
<style>${{ markup: STYLE }}</style>
</head>
<body>
<header>
<h1>${run.job} <span class="state ${run.state.toLowerCase()}">${run.state}</span></h1>
${run.message === '' ? undefined : html`<p class="message">${run.message}</p>`}
<dl>${run.about.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
</header>
${comparison === undefined ? undefined : comparisonSection(comparison)}
<section>
<h2>Over the rounds</h2>
<p>The first point is the model that the run began with. The thick line is the mean over all clients, weighted by examples.</p>
<div class="charts">${run.curves.length === 0 ? html`<p class="none">No round is complete yet.</p>` : run.curves.map(chart)}</div>
</section>
${pictureSection(pictures)}
<section>
<h2>Rounds</h2>
${attemptTable(run.attempts)}
</section>
</body>
</html>
`
  return page.markup
}

function comparisonSection({ caption, sites, rows, notes }: Comparison): Markup {
  return html`<section>
<h2>${caption}</h2>
<div class="wide"><table class="comparison">
<thead><tr><th scope="col"></th>${sites.map((site) => html`<th scope="col">${site}</th>`)}<th scope="col">mean</th></tr></thead>
<tbody>${rows.map((row) => comparisonRow(row, sites))}</tbody>
</table></div>
${notes.map((note) => html`<p class="note">${note}</p>`)}
</section>`
}

function comparisonRow(
  { name, values, trainedOn, mean, highlighted }: ComparisonRow,
  sites: readonly string[],
): Markup {
  const cells = values.map((value, i) =>
    sites[i] === trainedOn
      ? html`<td class="own">(${value.toFixed(3)})</td>`
      : html`<td>${value.toFixed(3)}</td>`,
  )
  const others = trainedOn === undefined ? undefined : html` <span class="others">other sites</span>`
  return html`<tr${highlighted ? html` class="highlighted"` : undefined}><th scope="row">${name}</th>${cells}<td class="mean">${mean.toFixed(3)}${others}</td></tr>
`
}

function pictureSection(pictures: Pictures): Markup {
  const body =
    'absent' in pictures
      ? html`<p class="none">${pictures.absent}</p>`
      : html`<p>None of these were trained on. <span class="key truth">blue</span>: the true mask and, in the other
pictures, its outline. <span class="key predicted">orange</span>: what the model says, asked with ${pictures.prompts === 'Box' ? 'the true box' : 'a point of the object'}.</p>
${pictures.sites.map(
  ({ client, pictures: ofSite }, site) =>
    html`<h3>${client}</h3>${ofSite.map((picture, i) => pictureRow(picture, `image-${site}-${i}`))}`,
)}`
  return html`<section><h2>Held-out images</h2>${body}</section>`
}

/** The page contains the image once, and shows it below each layer. */
function pictureRow({ stem, width, height, image, truth, predictions }: HeldOutPicture, id: string): Markup {
  const box = `0 0 ${width} ${height}`
  const tile = (label: Markup, shown: Markup, spoken: string): Markup =>
    html`<figure><svg viewBox="${box}" role="img" aria-label="${spoken}">${shown}</svg><figcaption>${label}</figcaption></figure>
`
  const layer = (uri: string): Markup =>
    html`<use href="#${id}"/><image href="${uri}" width="${width}" height="${height}"/>`
  return html`<div class="row">
${tile(html`${stem}`, html`<image id="${id}" href="${image}" width="${width}" height="${height}"/>`, `${stem}`)}
${tile(html`true mask`, layer(truth), `${stem} with its true mask`)}
${predictions.map(({ model, dice, overlay }) =>
  tile(
    html`${model}: Dice <b>${dice.toFixed(3)}</b>`,
    layer(overlay),
    `${stem} with the mask of the ${model} model, Dice ${dice.toFixed(3)}`,
  ),
)}
</div>`
}
