// Markers of a run's record, read back for assertions. A marker that is not there fails the test where it is read.

import { attemptKeys, RUN_KEY, resultKey } from '#protocol/keys.ts'
import {
  type ClosedDecision,
  type Decision,
  type Plan,
  type Receipt,
  type RoundResult,
  type RunRecord,
  readMarker,
} from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'

async function bytesOf(store: ObjectStore, key: string): Promise<Uint8Array> {
  const bytes = await store.get(key)
  if (bytes === undefined) throw new Error(`${key} is not in the record`)
  return bytes
}

export async function runOf(store: ObjectStore): Promise<RunRecord> {
  return readMarker('run', RUN_KEY, await bytesOf(store, RUN_KEY))
}

export async function resultOf(store: ObjectStore, round: number): Promise<RoundResult> {
  const key = resultKey(round)
  return readMarker('result', key, await bytesOf(store, key))
}

export async function planOf(store: ObjectStore, round: number, attempt = 1): Promise<Plan> {
  const { plan: key } = attemptKeys(round, attempt)
  return readMarker('plan', key, await bytesOf(store, key))
}

export async function decisionOf(store: ObjectStore, round: number, attempt = 1): Promise<Decision> {
  const { decision: key } = attemptKeys(round, attempt)
  return readMarker('decision', key, await bytesOf(store, key))
}

/** The decision of an attempt that closed. */
export async function closedOf(store: ObjectStore, round: number, attempt = 1): Promise<ClosedDecision> {
  const decision = await decisionOf(store, round, attempt)
  if (decision.kind !== 'Closed') throw new Error(`round ${round}, attempt ${attempt} was abandoned`)
  return decision
}

export async function receiptOf(
  store: ObjectStore,
  round: number,
  client: string,
  attempt = 1,
): Promise<Receipt> {
  const key = attemptKeys(round, attempt).receipt(client)
  return readMarker('receipt', key, await bytesOf(store, key))
}
