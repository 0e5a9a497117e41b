// Facts that a single marker holds: the payloads that a receipt names, and the clients that an attempt lost. Readers only: they
// write nothing. A payload that a marker names may have been deleted since (retention.ts).
import { FedsamError } from '#protocol/errors.ts'
import type { Reply } from '#protocol/exchange.ts'
import { attemptKeys, exchangeKeys, parseKey } from '#protocol/keys.ts'
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

/** The payload of the client's state that a receipt names; null where no bytes of a state travelled. */
export function statePayloadOf({ state, client, round, attempt }: Receipt): PayloadRef | null {
  if (state == null || state.upload === null) return null
  const { size, sha256, blocks, upload } = state
  return { key: attemptKeys(round, attempt).clientState(client, upload), size, sha256, blocks }
}

/** The bytes of a reply; null where it is an error. */
export function replyPayloadOf({ reply, client, exchange, message }: Reply): PayloadRef | null {
  if (reply.kind === 'Error') return null
  const { size, sha256, blocks, upload } = reply
  return { key: exchangeKeys(exchange).payload(client, message, upload), size, sha256, blocks }
}

/** The payload of the state that a reply names; null where no bytes of a state travelled. */
export function replyStateOf({ state, client, exchange, message }: Reply): PayloadRef | null {
  if (state === null || state.upload === null) return null
  const { size, sha256, blocks, upload } = state
  return { key: exchangeKeys(exchange).clientState(client, message, upload), size, sha256, blocks }
}

/**
 * The keys of the payloads that the receipt or the reply under `key` names, state included. Empty where it is missing or damaged.
 */
export async function payloadsNamedAt(store: ObjectStore, key: string): Promise<string[]> {
  try {
    if (parseKey(key)?.kind === 'Reply') {
      const reply = await readRecord(store, 'reply', key)
      if (reply === undefined) return []
      return [replyPayloadOf(reply.value), replyStateOf(reply.value)].flatMap((one) => one?.key ?? [])
    }
    const receipt = await readRecord(store, 'receipt', key)
    if (receipt === undefined) return []
    return [payloadOf(receipt.value), statePayloadOf(receipt.value)].flatMap((one) => one?.key ?? [])
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged') return []
    throw error
  }
}

/** Clients that an attempt asked and whose update it did not accept. The next attempt does not wait for them. */
export function lostClients(outcomes: readonly ClientOutcome[]): string[] {
  return outcomes
    .filter(({ outcome }) => outcome !== 'Accepted' && outcome !== 'NotSelected')
    .map(({ client }) => client)
}
