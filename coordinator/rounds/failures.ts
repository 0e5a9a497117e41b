// Which abandoned attempts at a round count against round.maxFailedRounds. The count is in the record, so that a coordinator that
// ends again and again between attempts does not begin at 0 each time. Pure.
import type { AbandonedDecision } from '#protocol/record.ts'

export type Failures = NonNullable<AbandonedDecision['failures']>

/** The job as it is now: `settings` is the digest of what may change of it. */
export interface FailuresNow {
  readonly settings: string
  readonly maxFailedRounds: number
}

/**
 * The count with one more abandoned attempt; `before` is that of the attempt before, null where there was none. It begins again
 * where the run failed before, since somebody has started it again, and where the job's settings changed since.
 */
export function countFailure(before: Failures | null, { settings, maxFailedRounds }: FailuresNow): Failures {
  const continues = before !== null && !isTooMany(before) && before.settings === settings
  return { count: continues ? before.count + 1 : 1, allowed: maxFailedRounds, settings }
}

/** Whether the run fails with this count. */
export function isTooMany({ count, allowed }: Failures): boolean {
  return count >= allowed
}
