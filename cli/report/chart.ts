// Draws a curve as inline SVG: axes, a line per client, and a thick line for the mean over all clients. Lines differ in colour,
// in dashes and in the label at the end, so the chart is readable without colours. A point shows its value under the pointer. Pure.
import { shortened } from '#protocol/text.ts'
import type { Curve, Point } from './facts.ts'
import { metricText, ticks, tickText } from './figures.ts'
import { html, type Markup } from './markup.ts'

const WIDTH = 520
const HEIGHT = 280
const LEFT = 52
const RIGHT = 136
const TOP = 14
const BOTTOM = 40

/** Clients with named lines. Above this number, clients have thin lines without names, and only the mean has a label. */
const NAMED_CLIENTS = 8
const LABEL_HEIGHT = 14
/** Characters of a line's name: the right margin has space for this number. */
const LONGEST_NAME = 11

interface Scale {
  x(round: number): number
  y(value: number): number
}

interface Line {
  readonly name: string
  readonly style: string
  readonly points: readonly Point[]
}

/** The figure of one curve; a sentence for a curve without values. */
export function chart(curve: Curve): Markup {
  const named = curve.clients.length <= NAMED_CLIENTS
  const lines: Line[] = [
    ...curve.clients.map(({ client, points }, i) => ({
      name: client,
      style: named ? `client c${i % NAMED_CLIENTS}` : 'client many',
      points,
    })),
    { name: 'all clients', style: 'mean', points: curve.mean },
  ].filter(({ points }) => points.length > 0)
  const heading = html`<figcaption><b>${curve.title}</b> <span>${curve.subtitle}</span></figcaption>`
  if (lines.length === 0)
    return html`<figure class="chart">${heading}<p class="none">No values yet.</p></figure>`
  const frame = frameOf(lines.flatMap(({ points }) => points))
  const summary = `${curve.title} ${curve.subtitle} by round, for ${lines.map(({ name }) => name).join(', ')}`
  return html`<figure class="chart">${heading}
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${summary}">
${axes(frame)}
${lines.map((line) => drawLine(line, frame.scale))}
${endLabels(named ? lines : lines.slice(-1), frame.scale)}
</svg>${named ? undefined : html`<p class="none">Thin lines: ${curve.clients.length} clients. Thick line: all clients.</p>`}
</figure>`
}

interface Frame {
  readonly scale: Scale
  readonly rounds: readonly number[]
  readonly values: readonly number[]
}

function frameOf(points: readonly Point[]): Frame {
  const rounds = points.map(({ round }) => round)
  const [first, last] = [Math.min(...rounds), Math.max(...rounds)]
  const values = ticks(
    Math.min(...points.map(({ value }) => value)),
    Math.max(...points.map(({ value }) => value)),
    5,
  )
  const [low, high] = [values[0]!, values.at(-1)!]
  const across = (WIDTH - LEFT - RIGHT) / Math.max(last - first, 1)
  return {
    rounds: ticks(first, last, 8).filter(
      (round) => Number.isInteger(round) && round >= first && round <= last,
    ),
    values,
    scale: {
      x: (round) => LEFT + (last === first ? (WIDTH - LEFT - RIGHT) / 2 : (round - first) * across),
      y: (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM),
    },
  }
}

function axes({ scale, rounds, values }: Frame): Markup {
  const right = WIDTH - RIGHT
  const step = values[1]! - values[0]!
  return html`<g class="axes">
${values.map((value) => {
  const y = px(scale.y(value))
  return html`<line x1="${LEFT}" x2="${right}" y1="${y}" y2="${y}"/><text x="${LEFT - 7}" y="${y}" dy="0.32em" text-anchor="end">${tickText(value, step)}</text>`
})}
${rounds.map((round) => html`<text x="${px(scale.x(round))}" y="${HEIGHT - BOTTOM + 17}" text-anchor="middle">${round}</text>`)}
<text x="${(LEFT + right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">round</text>
</g>`
}

function drawLine({ name, style, points }: Line, scale: Scale): Markup {
  const path = points
    .map(({ round, value }, i) => `${i === 0 ? 'M' : 'L'}${px(scale.x(round))} ${px(scale.y(value))}`)
    .join('')
  const dots = points.map(
    ({ round, value }) =>
      html`<circle cx="${px(scale.x(round))}" cy="${px(scale.y(value))}" r="2.6"><title>${name}, round ${round}: ${metricText(value)}</title></circle>`,
  )
  return html`<g class="${style}"><path d="${path}"/>${dots}</g>`
}

/** Names with the last value at the lines' ends, moved apart where they would overlap. */
function endLabels(lines: readonly Line[], scale: Scale): Markup {
  const x = WIDTH - RIGHT + 8
  const wanted = lines.map(({ name, style, points }) => ({ name, style, end: points.at(-1)! }))
  const ordered = wanted.toSorted((a, b) => scale.y(a.end.value) - scale.y(b.end.value))
  const places = apart(
    ordered.map(({ end }) => scale.y(end.value)),
    LABEL_HEIGHT,
    [TOP, HEIGHT - BOTTOM],
  )
  return html`<g class="labels">${ordered.map(
    ({ name, style, end }, i) =>
      html`<text class="${style}" x="${x}" y="${px(places[i]!)}" dy="0.32em">${shortened(name, LONGEST_NAME)} ${metricText(end.value)}</text>`,
  )}</g>`
}

/** Ascending places, each at least `distance` below the previous one, within the range where possible. */
export function apart(
  places: readonly number[],
  distance: number,
  [from, to]: readonly [number, number],
): number[] {
  const down: number[] = []
  for (const place of places)
    down.push(Math.max(place, from, (down.at(-1) ?? Number.NEGATIVE_INFINITY) + distance))
  let limit = to
  for (let i = down.length - 1; i >= 0; i -= 1) {
    down[i] = Math.min(down[i]!, limit)
    limit = down[i]! - distance
  }
  return down
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}
