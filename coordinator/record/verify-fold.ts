// Folds the updates of a round again, and compares model and server optimizer's state with the result. So a coordinator that left
// an update out, reweighted it or wrote a model of its own is found, as long as retention has kept the round's payloads. It writes
// nothing: the bytes go into digests.
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, resultKey } from '#protocol/keys.ts'
import type { Plan, RoundResult } from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'
import { type FoldUpdate, fold } from '../aggregation/fold.ts'
import { clipFactor } from '../rounds/clipping.ts'
import { countedExamples } from '../rounds/limits.ts'
import { strategyFrom } from '../strategies/registry.ts'
import { payloadOf } from './marker-facts.ts'
import type { CountedUpdate } from './verify-round.ts'

/** Bytes that the fold may use: the default of coordinator.memoryBytes. The result does not depend on it. */
const MEMORY_BYTES = 512 * 1024 * 1024

export interface FoldInputs {
  readonly plan: Plan
  /** The decision's bound on norms. */
  readonly clipNorm: number | null
  readonly previous: RoundResult
  readonly result: RoundResult
  readonly counted: readonly CountedUpdate[]
}

/**
 * Problems of a training round whose result is not the fold of its updates; undefined where a payload that the fold needs is
 * absent. Throws RecordDamaged for a payload of other bytes.
 */
export async function foldProblems(store: StoreReader, inputs: FoldInputs): Promise<string[] | undefined> {
  const { plan, clipNorm, previous, result, counted } = inputs
  const updates = counted.flatMap(({ entry, receipt }): FoldUpdate[] => {
    const payload = payloadOf(receipt)
    if (payload === null || receipt.update === null) return []
    const { client, norm } = entry
    const numExamples = countedExamples(plan.maxExamples, entry.numExamples)
    // A clipped update without a norm is a fault of its own (verify-round.ts).
    const factor = norm === null ? 1 : clipFactor(clipNorm, norm)
    return [{ client, payload, numExamples, factor, metrics: receipt.update.metrics }]
  })
  const { model: base, state, tensors } = previous
  const needed = [base, ...(state === null ? [] : [state]), ...updates.map(({ payload }) => payload)]
  for (const { key } of needed) if ((await store.size(key)) === undefined) return undefined
  const { round, attempt } = result
  try {
    const strategy = strategyFrom(plan.strategy as Parameters<typeof strategyFrom>[0])
    const folded = await fold({
      ...{ store: digesting(store), list: tensors, base, updates, strategy, state, round, attempt },
      memoryBytes: MEMORY_BYTES,
    })
    return [
      ...differences(attemptKeys(round, attempt).model, folded.model, result.model),
      ...differences(attemptKeys(round, attempt).state, folded.state, result.state),
    ]
  } catch (error) {
    if (!(error instanceof FedsamError) || !CANNOT_FOLD.includes(error.code)) throw error
    return [`${resultKey(round)} names a model, but its updates cannot be folded: ${error.message}`]
  }
}

/** Errors of a fold that no honest coordinator could have finished. */
const CANNOT_FOLD: readonly string[] = ['InvalidJob', 'RunFailed']

type Digest = { readonly sha256: string } | null

function differences(key: string, made: Digest, named: Digest): string[] {
  if (made?.sha256 === named?.sha256) return []
  return [
    `${key} is not what the round's updates give: they give ${made === null ? 'none' : `sha256:${made.sha256}`}`,
  ]
}

/** The store for a fold that keeps nothing. The fold computes the digests from what it writes. */
function digesting(store: StoreReader): ObjectStore {
  const writing: Pick<ObjectStore, 'write'> = {
    async write(_key, _size, chunks) {
      for await (const _ of chunks);
      return 'Created'
    },
  }
  return { ...store, ...writing } as ObjectStore
}
