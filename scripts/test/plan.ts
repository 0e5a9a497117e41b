// What `npm test` prints before it begins: the files that it runs, the parts that it needs, which of them are cached, about how long all
// of it takes, and where those figures come from. Pure.
import { alignRows, wrapText } from '#cli/render/columns.ts'
import { counted } from '#protocol/text.ts'
import type { Durations } from './durations.ts'
import { estimateSeconds, FAST_CONCURRENCY, groupsOf, spanText } from './estimates.ts'

/** Characters of a line: a narrow terminal wraps it once more. */
const WIDTH = 110

export interface PlannedPart {
  readonly name: string
  readonly cached: boolean
  /** Of a first build, on the machine that the committed figures are from. */
  readonly minutes: number
}

/** Variables of the environment by which tests cost less. */
export interface ReducedSizes {
  /** Inputs of each fuzz test; 10,000 without it. */
  readonly FEDSAM_FUZZ_CASES: string
  /** The largest body that tests write to a store, in MiB; 5 GiB and a byte without it. */
  readonly FEDSAM_LARGEST_BODY_MB: string
  /** Tests that kill a program at every write make every n-th kill; all without it. */
  readonly FEDSAM_KILL_STEP: string
  /** How often each form of Flower's ten rounds runs, to the same bytes; three times without it. */
  readonly FEDSAM_REPEATS: string
}

export interface PlanFacts {
  /** Test files that run several at a time. */
  readonly files: readonly string[]
  /** How many of them run at a time. */
  readonly concurrency: number
  /** Test files that run one at a time, after the others. */
  readonly endToEnd: readonly string[]
  /** Why the end-to-end files do not run; undefined if they run, or if none was chosen. */
  readonly whyNotEndToEnd?: string | undefined
  /** Chosen files that --fast leaves out. */
  readonly leftOut: readonly string[]
  /** Undefined where everything has its whole size. */
  readonly reduced?: ReducedSizes | undefined
  readonly parts: readonly PlannedPart[]
  readonly recorded: Durations
  /** Where parts and figures are kept. */
  readonly cache: string
  /** The files that --fast would run; undefined if nothing would be left out. */
  readonly fast?: readonly string[] | undefined
}

/** Lines to print. */
export function planLines(facts: PlanFacts): string[] {
  const text = [...fileLines(facts), ...partLines(facts), ...timeLines(facts), ...fastLines(facts)]
  return [...text.flatMap((line) => (line.startsWith(' ') ? [line] : wrapText(line, WIDTH, 2))), '']
}

/** "worker:12, test/cli:3" */
export function grouped(files: readonly string[]): string {
  return groupsOf(files)
    .map(([group, count]) => `${group}:${count}`)
    .join(', ')
}

function fileLines({ files, concurrency, endToEnd, whyNotEndToEnd, leftOut, reduced }: PlanFacts): string[] {
  const lines: string[] = []
  if (files.length > 0)
    lines.push(
      `runs ${counted(files.length, 'test file')}, ${concurrency} at a time, the longest first: ${grouped(files)}`,
    )
  if (endToEnd.length > 0)
    lines.push(`runs ${counted(endToEnd.length, 'end-to-end file')}, one at a time: ${grouped(endToEnd)}`)
  if (leftOut.length > 0)
    lines.push(
      `leaves out ${counted(leftOut.length, 'file')} whose tests need Kubernetes, images or Flower (--fast): ${grouped(leftOut)}`,
    )
  lines.push(...reductionLines(reduced).map((line) => `${line} (--fast)`))
  if (whyNotEndToEnd !== undefined) lines.push(`leaves out the end-to-end layer: ${whyNotEndToEnd}`)
  return lines
}

export function reductionLines(reduced: ReducedSizes | undefined): string[] {
  if (reduced === undefined) return []
  return [
    `each fuzz test reads ${reduced.FEDSAM_FUZZ_CASES} inputs, not 10000`,
    `the largest body in a store has ${reduced.FEDSAM_LARGEST_BODY_MB} MiB, not 5 GiB`,
    `one in ${reduced.FEDSAM_KILL_STEP} kills at writes is made, not each`,
    `each form of Flower's ten rounds runs ${counted(Number(reduced.FEDSAM_REPEATS), 'time')}, not 3 times`,
  ]
}

/** Seconds of a part's build, by this machine's last one where it is known. */
function buildSeconds({ name, minutes }: PlannedPart, { parts }: Durations): number {
  return parts[name] ?? minutes * 60
}

function partLines({ parts, recorded, cache }: PlanFacts): string[] {
  if (parts.length === 0) return ['needs no part that must be built']
  const rows = parts.map((part) => [
    `  ${part.name}`,
    part.cached ? 'cached' : 'to build',
    `${part.cached ? 'a build takes' : 'takes'} about ${spanText(buildSeconds(part, recorded))}`,
  ])
  return [
    `needs these parts, each built once into ${cache}; a cached one takes a second:`,
    ...alignRows(rows),
  ]
}

function timeLines({ files, concurrency, endToEnd, parts, recorded }: PlanFacts): string[] {
  const tests = estimateSeconds(files, recorded, concurrency) + estimateSeconds(endToEnd, recorded, 1)
  const missing = parts.filter(({ cached }) => !cached)
  const builds = missing.reduce((sum, part) => sum + buildSeconds(part, recorded), 0)
  const cold = builds === 0 ? '' : `; with the builds before them about ${spanText(tests + builds)}`
  const all = [...files, ...endToEnd]
  const known = all.filter((file) => recorded.files[file] !== undefined).length
  const others = all.length - known
  const sources = [
    ...(known > 0 ? [`${counted(known, 'file')} by the last run on this machine`] : []),
    ...(others > 0 ? [`${counted(others, 'file')} by committed averages (scripts/test/estimates.ts)`] : []),
  ]
  return [`the tests take about ${spanText(tests)}${cold} (${sources.join(', ')})`]
}

function fastLines({ fast, recorded }: PlanFacts): string[] {
  if (fast === undefined) return []
  const span = spanText(estimateSeconds(fast, recorded, FAST_CONCURRENCY))
  return [
    `in a hurry: npm test -- --fast runs ${counted(fast.length, 'file')} whose tests need no Kubernetes, no image and no Flower, in about ${span}`,
  ]
}
