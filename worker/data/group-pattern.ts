// Groups file stems by dataset.groupPattern. The pattern comes from the job, so it may be wrong, too large, or slow without end:
// some patterns try every way to divide a name. Guarantees that the matching ends within a limit, and a reason where it fails.
import { runInNewContext } from 'node:vm'
import { listed, shortened } from '#protocol/text.ts'
import { unusable } from './dataset.ts'

/** Milliseconds for all stems together. A usual pattern takes less than one per thousand stems. */
const MOST_MILLISECONDS = 5000
/** Characters of a pattern or a stem in a message. */
const SHOWN = 120

/**
 * The stems of each group, both in the order of `stems`. The one capture group of `pattern` names the group of a stem.
 * Throws FedsamError BadData for a pattern that cannot be used or does not end in time, and for stems that it does not match.
 */
export function groupStems(
  stems: readonly string[],
  pattern: string,
  milliseconds = MOST_MILLISECONDS,
): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  const unmatched: string[] = []
  for (const { stem, group } of bounded(stems, pattern, milliseconds)) {
    const members = group === undefined ? unmatched : groups.get(group)
    if (members !== undefined) members.push(stem)
    else groups.set(group!, [stem])
  }
  if (unmatched.length === 0) return groups
  const names = listed(unmatched.map((stem) => shortened(stem, SHOWN)))
  throw unusable(
    `groupPattern ${shortened(pattern, SHOWN)} does not match ${names}`,
    'Correct dataset.groupPattern so that it finds the group of every file stem.',
  )
}

interface Named {
  readonly stem: string
  /** Undefined where the pattern does not match the stem. */
  readonly group: string | undefined
}

/** Only node:vm can end a regular expression that runs. The context isolates nothing here: it runs our function alone. */
function bounded(stems: readonly string[], pattern: string, timeout: number): readonly Named[] {
  const matcher = compile(pattern)
  const match = (): readonly Named[] => {
    const captures = new RegExp(`${pattern}|`).exec('')!.length - 1
    if (captures !== 1) throw new CaptureError(`has ${captures} capture groups, not one`)
    return stems.map((stem) => ({ stem, group: matcher.exec(stem)?.[1] }))
  }
  try {
    return runInNewContext('match()', { match }, { timeout })
  } catch (cause) {
    if (cause instanceof CaptureError) throw refused(pattern, cause.message)
    const late = (cause as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    const why = late ? `takes more than ${timeout} ms to match the file stems` : 'is too large to be matched'
    const remedy = 'Write a simpler dataset.groupPattern, without a repetition inside a repetition.'
    throw refused(pattern, why, remedy, cause)
  }
}

class CaptureError extends Error {}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (cause) {
    throw refused(pattern, 'is not a regular expression', undefined, cause)
  }
}

const REMEDY = 'Write a regular expression with one capture group, for example ^(patient-[0-9]+)-.'

function refused(pattern: string, why: string, remedy = REMEDY, cause?: unknown): Error {
  return unusable(`groupPattern ${shortened(pattern, SHOWN)} ${why}`, remedy, cause)
}
