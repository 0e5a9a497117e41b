// Bounds what one client weighs: its num_examples up to round.maxExamples. Describes how an update was limited, by this and by the
// bound on its norm. Pure.
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

/** The outcome of an update that counts. Its reason is Limited where it counts for less than the client reports or sends. */
export function acceptedOutcome(
  { numExamples, norm }: { readonly numExamples: number; readonly norm: number | null },
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
  return { outcome: 'Accepted', reason: limited.length === 0 ? '' : 'Limited', message: limited.join('; ') }
}
