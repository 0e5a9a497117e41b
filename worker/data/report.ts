// A data set's report in a few lines for people: counts first, then what is wrong, fatal things on top.
import type { Problem } from './dataset.ts'
import type { DatasetReport } from './preflight.ts'

/** Problems shown of each kind, and sizes and labels in a line; the rest is counted. */
const SHOWN = 8

/** Lines such as "site-a: 28 images (197x233): 18 train, 6 held out, 4 between" and one a problem. */
export function formatReport(name: string, report: DatasetReport): string {
  const { train, heldOut, gap } = report.split
  const parts = [
    `${train.length} to train on`,
    `${heldOut.length} held out`,
    ...(gap.length > 0 ? [`${gap.length} between them left out`] : []),
    ...(report.emptyMasks.length > 0 ? [`${report.emptyMasks.length} with an empty mask left out`] : []),
  ]
  const sizes = shorten(report.sizes.map(({ width, height }) => `${width}x${height}`))
  const pixels = report.labels.reduce((sum, { pixels }) => sum + pixels, 0)
  const labels = report.labels
    .filter(({ label }) => label !== 0)
    .map(
      ({ label, pixels: held, images }) => `${label} (${share(held / pixels)} of pixels, ${images} images)`,
    )
  return [
    `${name}: ${report.images} images${sizes && ` of ${sizes}`}: ${parts.join(', ')}`,
    ...(labels.length > 0 ? [`  labels ${shorten(labels)}`] : []),
    ...problemLines(
      report.problems.filter((problem) => problem.fatal),
      'error',
    ),
    ...problemLines(
      report.problems.filter((problem) => !problem.fatal),
      'warning',
    ),
  ].join('\n')
}

function share(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`
}

function shorten(items: readonly string[]): string {
  if (items.length <= SHOWN) return items.join(', ')
  return `${items.slice(0, SHOWN).join(', ')} and ${items.length - SHOWN} more`
}

function problemLines(problems: readonly Problem[], kind: string): string[] {
  const lines = problems.slice(0, SHOWN).map(({ message, remedy }) => `  ${kind}: ${message}. ${remedy}`)
  const hidden = problems.length - lines.length
  return hidden > 0 ? [...lines, `  … and ${hidden} more of the kind ${kind}`] : lines
}
