// What a round, and each attempt at it, has to do. The caller takes it from the record (run/all-rounds.ts); it never changes
// while the round runs, except for what an abandoned attempt adds for the next one.
import type { KeptState } from '#protocol/client-state.ts'
import type { Plan, RoundResult } from '#protocol/record.ts'
import type { DType } from '#protocol/tensors.ts'
import type { Marked } from '../record/markers.ts'
import type { Failures } from '../rounds/failures.ts'
import type { Evaluated } from '../rounds/stopping.ts'

export interface RoundAssignment {
  readonly round: number
  readonly kind: Plan['kind']
  /** The result that the round starts from; null only for Initialise. */
  readonly previous: Marked<RoundResult> | null
  /** Clients that the attempt before lost. */
  readonly lost: readonly string[]
  /** The evaluations of the models before the round's base. */
  readonly history: readonly Evaluated[]
  /** Norms of the updates that the rounds before accepted, of as many rounds as a median needs. */
  readonly norms: readonly number[]
  /** The clients' last states that count, of the result that the round starts from. */
  readonly states: readonly KeptState[]
  /** The element types in which round 0 received the tensors; null where the base has them. */
  readonly dtypes: readonly DType[] | null
}

export interface AttemptAssignment extends RoundAssignment {
  /** Counted from 1 within the round. */
  readonly attempt: number
  /** What counts against maxFailedRounds before this attempt; null: nothing. */
  readonly failures: Failures | null
}
