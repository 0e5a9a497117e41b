// A problem of a job file as data: its place, and a message with a remedy. load.ts finds the line of each place.
import { FedsamError } from '#protocol/errors.ts'

/** Field names and list indices from the root of the job. */
export type Path = readonly (string | number)[]

/** One problem: `message` describes it and, after a semicolon, names the remedy. */
export interface Problem {
  readonly path: Path
  readonly message: string
}

/** The error of a job file: each line of the message says what to do, so the error has no remedy beside it. */
export function wrongJob(message: string, cause?: unknown): FedsamError {
  return new FedsamError('InvalidJob', message, { remedy: '', cause })
}

/** "spec.partitions[0].name". */
export function pathText(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
}

/** A value for a message: short, on one line, and without the user and password of an address. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  const text = JSON.stringify(value.replace(/\/\/[^/?#]*@/, '//…@'))
  return text.length <= 80 ? text : `${text.slice(0, 76)}…"`
}

/** The allowed word that the user probably meant: at most a third of its letters differ, ignoring case. Undefined for none. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined
}

/** Levenshtein distance: the number of insertions, deletions and replacements from a to b. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
