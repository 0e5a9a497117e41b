// Deletes payloads that nothing needs any more, never markers. Kept: the updates of the last `retention.rounds` rounds, and the
// models of as many rounds, at least of the last, the previous and the best one. Forgets nothing: a delete that failed is tried
// again after the next round, and by the next coordinator. A round's model is deleted last, so its absence says that the round
// has nothing left. A coordinator that a newer one has superseded deletes nothing.
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { RoundResult } from '#protocol/record.ts'
import { payloadOf } from '../attempts/receipts.ts'
import { bestRound } from '../rounds/stopping.ts'
import { assertCurrent, type RunContext } from '../run/context.ts'
import { readRecord } from './markers.ts'
import type { Progress } from './progress.ts'

/** Requests at a time: a round may have a thousand clients, and the next round goes on meanwhile. */
const AT_ONCE = 16
/** The model before the last is always kept: a client that lost the last round's message still works on it. */
const LEAST_MODELS = 2

export interface Retention {
  /** Deletes in the background what is due after the newest round. */
  tidy(): void
  /** Resolves when the deletes that are due were tried. Never rejects. */
  settled(): Promise<void>
}

/** What is left of a round: everything, its model alone, nothing. */
type Left = 'All' | 'Model' | 'Nothing'

/** `progress` grows while the run goes on. */
export function openRetention(context: RunContext, progress: Progress): Retention {
  const left = new Map<number, Left>()
  let working: Promise<void> | null = null
  let again = false
  const work = async (): Promise<void> => {
    for (again = true; again && !context.signal.aborted; ) {
      again = false
      await sweep(context, progress, left).catch(() => {})
    }
    working = null
  }
  return {
    tidy() {
      again = true
      working ??= work()
    },
    async settled() {
      await working
    },
  }
}

/** Deletes what is due. Throws Superseded, and what the store throws where that cannot be known. */
async function sweep(context: RunContext, progress: Progress, left: Map<number, Left>): Promise<void> {
  const { retentionRounds, stopping } = context.fixed
  const newest = progress.results.at(-1)?.value.round ?? 0
  const best = bestRound(stopping, progress.history)?.round ?? null
  const lastOfUpdates = newest - retentionRounds
  const lastOfModels = newest - Math.max(retentionRounds, LEAST_MODELS)
  const due = progress.results.flatMap(({ value }) => {
    const { round } = value
    const may: Left = round <= lastOfModels && round !== best ? 'Nothing' : 'Model'
    const has = left.get(round) ?? 'All'
    return round > lastOfUpdates || has === 'Nothing' || has === may ? [] : [{ value, may, has }]
  })
  if (due.length === 0) return
  await assertCurrent(context)
  for (const { value, may, has } of due) {
    if (context.signal.aborted) return
    await sweepRound(context.markers, value, { may, has })
      .then(() => left.set(value.round, may))
      .catch(() => {})
  }
}

/** Throws where anything could not be deleted; what could be is. */
async function sweepRound(
  markers: RunContext['markers'],
  result: RoundResult,
  { may, has }: { may: Left; has: Left },
): Promise<void> {
  const { store } = markers
  // An earlier coordinator may have deleted everything of its round: the model went last.
  const isOurs = result.epoch === markers.epoch
  if (has === 'All' && !isOurs && (await store.size(result.model.key)) === undefined) return
  if (has === 'All') {
    const keys = await payloadsBeside(markers, result)
    await inTurn(keys, (key) => store.delete(key))
  }
  if (may !== 'Nothing') return
  if (result.state !== null) await store.delete(result.state.key)
  await store.delete(result.model.key)
}

/** Keys of the updates of every attempt at a round, accepted or not, and of what attempts made whose result does not count. */
async function payloadsBeside(
  markers: RunContext['markers'],
  { round, attempt }: RoundResult,
): Promise<string[]> {
  const keys: string[] = []
  for (let number = 1; ; number += 1) {
    const plan = await markers.plan(round, number)
    // An attempt that too few clients were there for has no plan; another coordinator may have planned one too many.
    if (plan === undefined && number > attempt) return keys
    const { model, state, receipt } = attemptKeys(round, number)
    if (number !== attempt) keys.push(model, state)
    await inTurn(plan?.value.cohort ?? [], async (client) => {
      const payload = await payloadAt(markers, receipt(client))
      if (payload !== undefined) keys.push(payload)
    })
  }
}

/** The payload that a receipt names. A receipt that cannot be read names none; a store out of reach throws. */
async function payloadAt({ store }: RunContext['markers'], key: string): Promise<string | undefined> {
  try {
    const receipt = await readRecord(store, 'receipt', key)
    return receipt === undefined ? undefined : payloadOf(receipt.value)?.key
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged') return undefined
    throw error
  }
}

/** Acts on a few keys at a time. Throws the first error after all were tried. */
async function inTurn(keys: readonly string[], act: (key: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const ends = await Promise.allSettled(keys.slice(at, at + AT_ONCE).map(act))
    failures.push(...ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : [])))
  }
  if (failures.length > 0) throw failures[0]
}
