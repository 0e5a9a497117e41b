// Deletes payloads that nothing needs any more, never markers. Kept: everything of the last `retention.rounds` rounds, and
// the models of the last, the previous and the best round. Deleting again is no error, so a kill in between costs nothing.
import { attemptKeys } from '#protocol/keys.ts'
import type { ClosedDecision, RoundResult } from '#protocol/record.ts'
import { payloadOf } from './admission.ts'
import type { RunContext } from './context.ts'
import { readRecord } from './record.ts'

/** A finished round, as retention looks at it. */
export interface RetainedRound {
  readonly result: RoundResult
  readonly decision: ClosedDecision | null
}

/** Deletes what fell out of the window with the newest round, and a model that was the best until now. */
export async function retain(context: RunContext, rounds: readonly RetainedRound[], best: number | null): Promise<void> {
  const newest = rounds.at(-1)!
  const kept = Math.max(context.fixed.retentionRounds, 2)
  const limit = newest.result.round - kept
  const previousBest = rounds.at(-2)?.decision?.best?.round ?? null
  const of = (round: number): RetainedRound | undefined => rounds.find(({ result }) => result.round === round)
  const fallen = of(limit)
  if (fallen !== undefined) await dropUpdates(context, fallen)
  const models = [limit, previousBest].filter(
    (round): round is number => round !== null && round >= 0 && round <= limit && round !== best,
  )
  for (const round of new Set(models)) {
    const { model, state } = of(round)!.result
    await context.book.store.delete(model.key)
    if (state !== null) await context.book.store.delete(state.key)
  }
}

/** Update payloads of every attempt at a round, accepted or not. */
async function dropUpdates(context: RunContext, { result }: RetainedRound): Promise<void> {
  const { book } = context
  for (let attempt = 1; attempt <= result.attempt; attempt += 1) {
    const plan = await book.plan(result.round, attempt)
    for (const client of plan?.value.cohort ?? []) {
      const receipt = await readRecord(book.store, 'receipt', attemptKeys(result.round, attempt).receipt(client)).catch(
        () => undefined,
      )
      const payload = receipt === undefined ? null : payloadOf(receipt.value)
      if (payload !== null) await book.store.delete(payload.key)
    }
  }
}
