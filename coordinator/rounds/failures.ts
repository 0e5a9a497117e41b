// Counts the abandoned attempts at a round against round.maxFailedRounds. The record holds the count, so that a coordinator that
// restarts between attempts does not begin at 0. Pure.
import type { AbandonedDecision } from '#protocol/record.ts'

export type Failures = NonNullable<AbandonedDecision['failures']>

/** The job's present values. `settings` is the digest of the settings that may change. */
export interface FailuresNow {
  readonly settings: string
  readonly maxFailedRounds: number
}

/**
 * The count with one more abandoned attempt. `before`: the count of the attempt before; null: none. It begins again after a
 * failed run, because a person has started the run again, and after a change of the job's settings.
 */
export function countFailure(before: Failures | null, { settings, maxFailedRounds }: FailuresNow): Failures {
  const continues = before !== null && !isTooMany(before) && before.settings === settings
  return { count: continues ? before.count + 1 : 1, allowed: maxFailedRounds, settings }
}

/** Whether the run fails with this count. */
export function isTooMany({ count, allowed }: Failures): boolean {
  return count >= allowed
}
