// Reads and writes the map of the clients' states, states.json of the attempt that closed. A result names it by its digest. A round that
// changes no state writes none: its result names the map before. What the map must hold: rounds/client-states.ts.
import { encodeJson } from '#protocol/canonical.ts'
import type { DecidedState, KeptState, StatesRef } from '#protocol/client-state.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ClosedDecision, Receipt, RoundResult } from '#protocol/record.ts'
import type { ObjectStore, StoreReader } from '#transport/ports.ts'
import { nextStates } from '../rounds/client-states.ts'
import { statePayloadOf } from './marker-facts.ts'
import { type Marked, readRecord } from './markers.ts'

/** The states that a result names. Throws RecordDamaged where the map is missing, or is not the one that the result names. */
export async function readStates(
  store: Pick<StoreReader, 'get'>,
  { states }: Pick<RoundResult, 'states'>,
): Promise<readonly KeptState[]> {
  if (states === undefined) return []
  const found = await readRecord(store, 'states', states.key)
  if (found?.digest === states.sha256) return found.value.states
  throw new FedsamError('RecordDamaged', `${states.key} is missing, or is not what a result names`)
}

export interface NextStates {
  readonly decision: ClosedDecision
  /** The result before, whose map the decision goes on from. */
  readonly previous: RoundResult | null
  /** Receipts at hand; the others are read. */
  readonly receipts: readonly Marked<Receipt>[]
}

/** Writes the map after a decision; resolves to the field of the result. Throws RecordDamaged. */
export async function writeStates(
  store: ObjectStore,
  { decision, previous, receipts }: NextStates,
): Promise<{ readonly states?: StatesRef }> {
  const before = previous?.states
  const same = before === undefined ? {} : { states: before }
  const { round, attempt, states: decided = [] } = decision
  if (decided.length === 0) return same
  const last = previous === null ? [] : await readStates(store, previous)
  const named = await receiptsOf(store, round, decided, receipts)
  const next = nextStates(last, named, (receipt) => statePayloadOf(receipt)?.key ?? null)
  if (sha256(encodeJson(next)) === sha256(encodeJson(last))) return same
  const key = attemptKeys(round, attempt).states
  const bytes = encodeJson({ schema: 'fedsam.states/1', round, attempt, states: next })
  const digest = sha256(bytes)
  if ((await store.put(key, bytes)) === 'Exists') {
    // Every coordinator writes the same bytes here: they follow from the decision and the receipts that it names.
    const stored = await store.get(key)
    if (stored === undefined || sha256(stored) !== digest)
      throw new FedsamError('RecordDamaged', `${key} does not follow from the decision of its attempt`)
  }
  return { states: { key, size: bytes.length, sha256: digest } }
}

/** The receipts that a decision names for states. Throws RecordDamaged where one is missing or is another one. */
function receiptsOf(
  store: ObjectStore,
  round: number,
  decided: readonly DecidedState[],
  known: readonly Marked<Receipt>[],
): Promise<Receipt[]> {
  const byDigest = new Map(known.map(({ digest, value }) => [digest, value]))
  return Promise.all(
    decided.map(async ({ client, attempt, receipt }) => {
      const own = byDigest.get(receipt)
      if (own !== undefined) return own
      const key = attemptKeys(round, attempt).receipt(client)
      const stored = await readRecord(store, 'receipt', key)
      if (stored?.digest === receipt) return stored.value
      throw new FedsamError('RecordDamaged', `${key} is not what the decision names`)
    }),
  )
}
