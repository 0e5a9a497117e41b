// Facts that a single marker holds: the payload that a receipt names, and the clients that an attempt lost. Readers only: they
// write nothing. A payload that a marker names may have been deleted since (retention.ts).
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ClientOutcome, PayloadRef, Receipt } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { readRecord } from './markers.ts'

/** The payload that a receipt names; null where the client sent no update. */
export function payloadOf(receipt: Receipt): PayloadRef | null {
  const { update, client, round, attempt } = receipt
  if (update === null) return null
  const { size, sha256, blocks, upload } = update
  return { key: attemptKeys(round, attempt).payload(client, upload), size, sha256, blocks }
}

/** The key of the payload that the receipt under `key` names; undefined where the receipt is missing or damaged, or names none. */
export async function payloadNamedAt(store: ObjectStore, key: string): Promise<string | undefined> {
  try {
    const receipt = await readRecord(store, 'receipt', key)
    return receipt === undefined ? undefined : payloadOf(receipt.value)?.key
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged') return undefined
    throw error
  }
}

/** Clients that an attempt asked and whose update it did not accept. The next attempt does not wait for them. */
export function lostClients(outcomes: readonly ClientOutcome[]): string[] {
  return outcomes
    .filter(({ outcome }) => outcome !== 'Accepted' && outcome !== 'NotSelected')
    .map(({ client }) => client)
}
