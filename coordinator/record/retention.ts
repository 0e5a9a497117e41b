// Deletes payloads that nothing needs any more, never markers. It keeps the updates of the last `retention.rounds` rounds, and
// the models of as many rounds, at least the last, the previous and the best one. A delete that failed is repeated after the next
// round, and by the next coordinator. A round's model is deleted last: where it is missing, the round has no payload left. A
// superseded coordinator deletes nothing. What it keeps of the clients' states: states-retention.ts.
import { attemptKeys } from '#protocol/keys.ts'
import type { RoundResult } from '#protocol/record.ts'
import { bestRound, type StoppingRule } from '../rounds/stopping.ts'
import type { EpochGuard } from './epochs.ts'
import { payloadsNamedAt } from './marker-facts.ts'
import type { RunMarkers } from './markers.ts'
import type { Progress } from './progress.ts'
import { keepStates, type StatesRetention } from './states-retention.ts'

/** Requests to the store at a time: a round may have a thousand clients, and the next round runs meanwhile. */
const AT_ONCE = 16
/** Newest models that are always kept: the last one, and the one before it, on which a client that missed a message still works. */
const LEAST_MODELS = 2

export interface Retention {
  /** Deletes in the background what is due after the newest round. */
  tidy(): void
  /** Resolves when every due delete was tried. Never rejects. */
  settled(): Promise<void>
}

/** What a round may have left: all of its payloads, its model alone, nothing. */
type Left = 'All' | 'Model' | 'Nothing'

export interface RetentionOptions {
  readonly markers: RunMarkers
  readonly guard: Pick<EpochGuard, 'assertCurrent'>
  readonly retentionRounds: number
  readonly stopping: StoppingRule
  readonly signal: AbortSignal
}

/** `progress` grows while the run continues. */
export function openRetention(options: RetentionOptions, progress: Progress): Retention {
  const left = new Map<number, Left>()
  const states = keepStates(options.markers.store, progress, options.retentionRounds)
  let working: Promise<void> | null = null
  let again = false
  const work = async (): Promise<void> => {
    for (again = true; again && !options.signal.aborted; ) {
      again = false
      await sweep(options, progress, { left, states }).catch(() => {})
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

/** Deletes what is due. Throws Superseded, and what the store throws while it looks for a newer coordinator. */
async function sweep(
  options: RetentionOptions,
  progress: Progress,
  { left, states }: { readonly left: Map<number, Left>; readonly states: StatesRetention },
): Promise<void> {
  const { markers, guard, retentionRounds, stopping, signal } = options
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
  await states.refresh()
  const dropped = states.dropped()
  if (due.length === 0 && dropped.length === 0) return
  await guard.assertCurrent()
  await inTurn(dropped, (key) => markers.store.delete(key).then(() => states.deleted(key))).catch(() => {})
  for (const { value, may, has } of due) {
    if (signal.aborted) return
    await sweepRound(markers, value, { may, has, states })
      .then(() => left.set(value.round, may))
      .catch(() => {})
  }
}

/** Deletes what it can. Throws where any delete failed. */
async function sweepRound(
  markers: RunMarkers,
  result: RoundResult,
  { may, has, states }: { may: Left; has: Left; states: StatesRetention },
): Promise<void> {
  const { store } = markers
  // An earlier coordinator may have deleted all payloads of its round: it deletes the model last.
  const isOurs = result.epoch === markers.epoch
  if (has === 'All' && !isOurs && (await store.size(result.model.key)) === undefined) return
  if (has === 'All') {
    const keys = await payloadsBeside(markers, result)
    await inTurn(
      keys.filter((key) => !states.keeps(key)),
      (key) => store.delete(key),
    )
  }
  if (may !== 'Nothing') return
  if (result.state !== null) await store.delete(result.state.key)
  await store.delete(result.model.key)
}

/** Keys of the updates and states of every attempt at a round, accepted or not, and of models and states that no result names. */
async function payloadsBeside(markers: RunMarkers, { round, attempt }: RoundResult): Promise<string[]> {
  const keys: string[] = []
  for (let number = 1; ; number += 1) {
    const plan = await markers.plan(round, number)
    // An attempt with too few clients has no plan. Another coordinator may have planned an attempt after the one that counts.
    if (plan === undefined && number > attempt) return keys
    const { model, state, receipt } = attemptKeys(round, number)
    if (number !== attempt) keys.push(model, state)
    const { cohort = [], evaluators = [] } = plan?.value ?? {}
    await inTurn([...new Set([...cohort, ...evaluators])], async (client) => {
      keys.push(...(await payloadsNamedAt(markers.store, receipt(client))))
    })
  }
}

/** Acts on AT_ONCE keys at a time. Throws the first error after every key was tried. */
async function inTurn(keys: readonly string[], act: (key: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const ends = await Promise.allSettled(keys.slice(at, at + AT_ONCE).map(act))
    failures.push(...ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : [])))
  }
  if (failures.length > 0) throw failures[0]
}
