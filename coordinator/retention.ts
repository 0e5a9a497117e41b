// Deletes payloads that nothing needs any more, never markers. Kept: everything of the last `retention.rounds` rounds, and
// the models of the last, the previous and the best round. Deleting again is no error, so a kill in between costs nothing.
import { attemptKeys } from '#protocol/keys.ts'
import type { ClosedDecision, RoundResult } from '#protocol/record.ts'
import type { RunContext } from './context.ts'
import { payloadOf } from './receipts.ts'
import { readRecord } from './record.ts'

const AT_ONCE = 16

/** A finished round, as retention looks at it. */
export interface RetainedRound {
  readonly result: RoundResult
  readonly decision: ClosedDecision | null
}

/** Deletes what fell out of the window with the newest round, and a model that was the best until now. */
export async function retain(context: RunContext, rounds: readonly RetainedRound[]): Promise<void> {
  const { store } = context.book
  const newest = rounds.at(-1)!
  const limit = newest.result.round - Math.max(context.fixed.retentionRounds, 2)
  const best = newest.decision?.best?.round ?? null
  const previousBest = rounds.at(-2)?.decision?.best?.round ?? null
  const of = (round: number): RetainedRound | undefined => rounds.find(({ result }) => result.round === round)
  const models = [limit, previousBest].filter((round) => round !== null && round <= limit && round !== best)
  const keys = [...new Set(models)].flatMap((round) => {
    const result = of(round!)?.result
    return result === undefined
      ? []
      : [result.model.key, ...(result.state === null ? [] : [result.state.key])]
  })
  const fallen = of(limit)
  const payloads = fallen === undefined ? [] : await updatePayloads(context, fallen)
  await inTurn([...keys, ...payloads], (key) => store.delete(key))
}

/** Keys of the update payloads of every attempt at a round, accepted or not, as their receipts name them. */
async function updatePayloads({ book }: RunContext, { result }: RetainedRound): Promise<string[]> {
  const receipts: string[] = []
  for (let attempt = 1; attempt <= result.attempt; attempt += 1) {
    const plan = await book.plan(result.round, attempt)
    receipts.push(...(plan?.value.cohort ?? []).map(attemptKeys(result.round, attempt).receipt))
  }
  const payloads: string[] = []
  await inTurn(receipts, async (key) => {
    const receipt = await readRecord(book.store, 'receipt', key).catch(() => undefined)
    const payload = receipt === undefined ? null : payloadOf(receipt.value)
    if (payload !== null) payloads.push(payload.key)
  })
  return payloads
}

/** A few at a time: there may be a thousand of them, and a round is going on meanwhile. */
async function inTurn(keys: readonly string[], act: (key: string) => Promise<void>): Promise<void> {
  for (let at = 0; at < keys.length; at += AT_ONCE) await Promise.all(keys.slice(at, at + AT_ONCE).map(act))
}
