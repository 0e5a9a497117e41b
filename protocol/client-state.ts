// What a client keeps from round to round (ADR 0025): the shapes of a client's state in receipts, decisions, results and the map of all
// states; and the rule of the job for it. Pure. Who checks a state: coordinator/aggregation/opaque-checks.ts.
import * as v from 'valibot'
import type { CompleteFederatedJobSpec } from './generated/federatedjob.ts'
import { Key, Name, Ordinal, UploadName } from './record-values.ts'
import { Count, Digest } from './values.ts'

/** Where the bytes of a state stay: in the record, or at the client alone. */
export const STATE_PLACES = ['Record', 'Local'] as const
export type StatePlace = (typeof STATE_PLACES)[number]

/** What a job says about states. */
export interface StateRule {
  readonly place: StatePlace
  /** The most bytes of one state. */
  readonly maxBytes: number
}

/** The most bytes of one state where the job names no bound: Adam's moments of 16 million parameters. */
export const DEFAULT_STATE_BYTES = 128 * 1024 * 1024

/** The rule in spec.strategy, as run.json and each plan hold it. A record of an older version names no rule. */
export function stateRule(strategy: object): StateRule {
  // The schema of the job has checked these fields.
  const { clientState, clientStateBytes } = strategy as Pick<
    CompleteFederatedJobSpec['strategy'],
    'clientState' | 'clientStateBytes'
  >
  return { place: clientState ?? 'Record', maxBytes: clientStateBytes ?? DEFAULT_STATE_BYTES }
}

/** A state in the receipt of the work that made it. */
export const ReceiptStateSchema = v.object({
  sha256: Digest,
  size: Count,
  /** The name of its payload in the attempt. null: no bytes travelled, because it equals its base, or stays at the client. */
  upload: v.nullable(UploadName),
  /** Digests of the payload's blocks. */
  blocks: v.array(Digest),
})

/** Why a client did not go on from its last state: its bytes are lost, or its data set is another one. */
export const STATE_CHANGES = ['StateLost', 'StateReset'] as const
export type StateChange = (typeof STATE_CHANGES)[number]

/** A state that counts by the decision, with the receipt that has it. */
export const DecidedStateSchema = v.object({
  client: Name,
  attempt: Ordinal,
  receipt: Digest,
  /** null: the client started afresh, and has none. */
  sha256: v.nullable(Digest),
  change: v.optional(v.picklist(STATE_CHANGES)),
})

/** The map of all states, as a result names it. It may be that of an earlier round, if no state changed since. */
export const StatesRefSchema = v.object({ key: Key, size: Count, sha256: Digest })

/** The last state of one client that counts. */
const KeptStateSchema = v.object({
  client: Name,
  sha256: Digest,
  size: Count,
  /** Digest of the data set that it belongs to, as the receipt has it. */
  dataset: v.pipe(v.string(), v.maxLength(2048)),
  /** null: its bytes are at the client. */
  key: v.nullable(Key),
  blocks: v.array(Digest),
})

/** Every client's last state that counts, by client name. A list: a client may be named "constructor". */
export const StatesSchema = v.object({
  schema: v.literal('fedsam.states/1'),
  round: Ordinal,
  attempt: Ordinal,
  states: v.array(KeptStateSchema),
})

export type ReceiptState = v.InferOutput<typeof ReceiptStateSchema>
export type DecidedState = v.InferOutput<typeof DecidedStateSchema>
export type StatesRef = v.InferOutput<typeof StatesRefSchema>
export type KeptState = v.InferOutput<typeof KeptStateSchema>
export type States = v.InferOutput<typeof StatesSchema>

/** The state that work on this data set goes on from; null: it starts afresh. */
export function continuedState<T extends { readonly dataset: string }>(
  last: T | null,
  dataset: string,
): T | null {
  return last !== null && last.dataset === dataset ? last : null
}
