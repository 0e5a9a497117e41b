// One deliberate fault: where it is, what it changes, and the tests that must notice it. Pure.

export interface Mutant {
  readonly id: string
  readonly file: string
  /** The code to replace. Runs of white space match any white space. It must occur once. */
  readonly from: string
  readonly to: string
  /** What the fault does, in a few words. */
  readonly what: string
  /** Test files that must fail. */
  readonly tests: readonly string[]
}

/** The text with the fault in it; undefined where `from` does not occur exactly once. */
export function applyMutant(text: string, { from, to }: Mutant): string | undefined {
  const pattern = from
    .trim()
    .split(/\s+/)
    .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('\\s+')
  const found = [...text.matchAll(new RegExp(pattern, 'g'))]
  if (found.length !== 1) return undefined
  const { index, 0: match } = found[0]!
  return text.slice(0, index) + to + text.slice(index + match.length)
}
