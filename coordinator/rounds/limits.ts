// Bounds what one client weighs: its num_examples up to round.maxExamples. Describes how an update was limited, by this and by the
// bound on its norm. Pure.

import type { StateChange } from '#protocol/client-state.ts'
import { shortNumber } from '#protocol/outliers.ts'
import type { ClientOutcome } from '#protocol/record.ts'

/** The examples that count of those that a client reports. */
export function countedExamples(most: number | null, numExamples: number): number {
  return most === null ? numExamples : Math.min(most, numExamples)
}

/** The bounds of a round: `maxExamples` on what one client weighs, `clipNorm` on the norm of its update. */
export interface RoundLimits {
  readonly maxExamples: number | null
  readonly clipNorm: number | null
}

/**
 * The outcome of an update that counts. Its reason says that the client started without its last state, or else, Limited, that the
 * update counts for less than the client reports or sends.
 */
export function acceptedOutcome(
  {
    numExamples,
    norm,
    change,
  }: {
    readonly numExamples: number
    readonly norm: number | null
    readonly change?: StateChange | undefined
  },
  { maxExamples, clipNorm }: RoundLimits,
): Omit<ClientOutcome, 'client'> {
  const limited = [
    ...(countedExamples(maxExamples, numExamples) < numExamples
      ? [`it reports ${numExamples} examples, and ${maxExamples} count`]
      : []),
    ...(clipNorm !== null && norm !== null && norm > clipNorm
      ? [`its norm of ${shortNumber(norm)} is clipped to ${shortNumber(clipNorm)}`]
      : []),
  ]
  const { reason, message } = reasonOf(change)
  const sentences = [...(message === '' ? [] : [message]), ...limited].join('; ')
  return {
    outcome: 'Accepted',
    reason: reason || (limited.length === 0 ? '' : 'Limited'),
    message: sentences,
  }
}

const STARTED_AFRESH: Readonly<Record<StateChange, string>> = {
  StateLost: 'it lost its state, whose bytes it alone had, and started afresh',
  StateReset: 'its data set is another one than that of its state, so it started afresh',
}

/** Reason and message of a client that started without its last state. */
export function reasonOf(change: StateChange | undefined): Pick<ClientOutcome, 'reason' | 'message'> {
  return change === undefined
    ? { reason: '', message: '' }
    : { reason: change, message: STARTED_AFRESH[change] }
}
