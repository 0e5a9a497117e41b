// About how long test files will take, from the figures of this machine's last runs, else from committed ones. Pure.
import type { Durations } from './durations.ts'

/** Test files that run at the same time. The end-to-end layer runs one at a time. */
export const CONCURRENCY = 2
/**
 * The same with --fast. Its files wait for a third of their time, for timeouts and for processes that they start, so three more files
 * use what two leave of two cores. The largest file holds 0.6 GB.
 */
export const FAST_CONCURRENCY = 5

/**
 * Seconds of one test file on average, by the folder: processor seconds of `node FILE` on two busy cores of an AMD EPYC, 30 November
 * 2026, with compiled sources cached and 2,000 inputs in a fuzz test. Files in test/cluster and test/e2e mostly wait for a cluster; their
 * figures are guesses, which the first run on a machine replaces.
 */
const AVERAGES: Readonly<Record<string, number>> = {
  cli: 0.5,
  coordinator: 0.6,
  gate: 0.8,
  operator: 0.3,
  protocol: 0.9,
  runtime: 0.2,
  scripts: 0.3,
  site: 0.5,
  test: 1.7,
  'test/architecture': 0.2,
  'test/chart': 2.8,
  'test/cli': 9,
  'test/cluster': 40,
  'test/conformance': 10,
  'test/e2e': 600,
  'test/federation': 4.7,
  'test/flower': 8,
  'test/gate': 1.5,
  'test/site': 4,
  transport: 0.4,
  worker: 1.4,
}

/** Where nothing is known of a folder. */
const UNKNOWN_SECONDS = 3

/** The folder by which test files are counted: "worker", or below test/ "test/cli". */
export function groupOf(file: string): string {
  const [first, second] = file.split('/')
  return first === 'test' && second !== undefined && !second.endsWith('.ts') ? `test/${second}` : first!
}

/** Groups in the order of their first file, with their numbers of files. */
export function groupsOf(files: readonly string[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(groupOf(file), (counts.get(groupOf(file)) ?? 0) + 1)
  return [...counts]
}

/** Seconds for a file that runs alone. */
const secondsOf = (file: string, { files }: Durations): number =>
  files[file] ?? AVERAGES[groupOf(file)] ?? UNKNOWN_SECONDS

/** The longest first, so that no core waits at the end for a file that began late. */
export function longestFirst(files: readonly string[], recorded: Durations): string[] {
  return files.toSorted((a, b) => secondsOf(b, recorded) - secondsOf(a, recorded))
}

/** Seconds for these files, `concurrency` at a time; never less than the longest of them. */
export function estimateSeconds(files: readonly string[], recorded: Durations, concurrency: number): number {
  const each = files.map((file) => secondsOf(file, recorded))
  return Math.max(each.reduce((sum, seconds) => sum + seconds, 0) / concurrency, ...each, 0)
}

/** "8 s", "4 min", "1 h 10 min": rounded up. */
export function spanText(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`
  const minutes = Math.ceil(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const rest = minutes % 60
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`
}
