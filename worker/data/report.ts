// Formats a data set's report in a few lines: counts first, then problems, fatal ones on top. Every program that shows a
// preflight prints these lines.
import { listed } from '#protocol/text.ts'
import type { Problem } from './dataset.ts'
import type { DatasetReport } from './preflight.ts'

/** Most problems that are shown of each kind; the rest is counted. */
const SHOWN = 8

/** Lines such as "site-a: 28 images of 197x233: 18 to train on, 6 held out" and one a problem. */
export function formatReport(name: string, report: DatasetReport): string {
  const { train, heldOut, gap } = report.split
  const parts = [
    `${train.length} to train on`,
    `${heldOut.length} held out`,
    ...(gap.length > 0 ? [`${gap.length} between them left out`] : []),
    ...(report.emptyMasks.length > 0 ? [`${report.emptyMasks.length} with an empty mask left out`] : []),
  ]
  const sizes = listed(report.sizes.map(({ width, height }) => `${width}x${height}`))
  return [
    `${name}: ${report.images} images${sizes && ` of ${sizes}`}: ${parts.join(', ')}`,
    ...labelLine(report),
    ...formatErrors(report.problems).map((line) => `  error: ${line}`),
    ...problemLines(report.problems.filter(({ fatal }) => !fatal)).map((line) => `  warning: ${line}`),
  ].join('\n')
}

/** The fatal problems, a sentence each; those about the whole data set first. */
export function formatErrors(problems: readonly Problem[]): string[] {
  const fatal = problems.filter((problem) => problem.fatal)
  return problemLines([
    ...fatal.filter(({ field }) => field !== undefined),
    ...fatal.filter(({ field }) => field === undefined),
  ])
}

function labelLine({ layout, labels }: DatasetReport): string[] {
  const pixels = labels.reduce((sum, { pixels }) => sum + pixels, 0)
  const background = layout === 'COCO' ? -1 : 0
  const shown = labels
    .filter(({ label }) => label !== background)
    .map(
      ({ label, pixels: held, images }) => `${label} (${share(held / pixels)} of pixels, ${images} images)`,
    )
  return shown.length > 0 ? [`  ${layout === 'COCO' ? 'categories' : 'labels'} ${listed(shown)}`] : []
}

function share(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`
}

function problemLines(problems: readonly Problem[]): string[] {
  const lines = problems.slice(0, SHOWN).map(({ message, remedy }) => `${message}. ${remedy}`)
  const hidden = problems.length - lines.length
  return hidden > 0 ? [...lines, `${hidden} more like these`] : lines
}
