// What is wrong with a job file, as data: the place, and what to do about it. load.ts turns places into lines of the file.

/** Field names and list indices from the root of the job. */
export type Path = readonly (string | number)[]

/** One thing that is wrong: `message` says what and, after a semicolon, what to do. */
export interface Problem {
  readonly path: Path
  readonly message: string
}

/** "spec.partitions[0].name". */
export function pathText(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
}

/** A value as a message shows it, short, on one line, and without the user and password of an address. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value !== 'string') return String(value)
  const text = JSON.stringify(value.replace(/\/\/[^/?#]*@/, '//…@'))
  return text.length <= 80 ? text : `${text.slice(0, 76)}…"`
}

/** The word that was probably meant: at most a third of the letters off, letter case ignored; undefined where none is near. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined
}

/** Levenshtein's distance: insertions, deletions and replacements from a to b. */
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
