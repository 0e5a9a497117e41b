// For tests of exchanges: an ask, contents, and replies that clients signed and stored. Tests alone import it.
import type { Marked, RunMarkers } from '#coordinator/record/markers.ts'
import { type KeptState, stateRule } from '#protocol/client-state.ts'
import { digestPayload } from '#protocol/digest.ts'
import type { Ask, Message, Reply } from '#protocol/exchange.ts'
import { exchangeKeys, uploadName } from '#protocol/keys.ts'
import { signReceipt } from '#protocol/receipt-signature.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { keyNamed } from './signed.ts'

export const UID = 'u1'
export const EXCHANGE = 2
export const KEYS = exchangeKeys(EXCHANGE)
export const UPLOAD = uploadName(1)

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A message whose content is this text. */
export function messageTo(client: string, text: string): Message {
  return { client, number: 0, kind: 'train', group: '', content: digestPayload(bytesOf(text)) }
}

/** Exchange 2, with a message to a, one to b and another to a. */
export function askOf(change: Partial<Ask> = {}): Marked<Ask> {
  const value: Ask = {
    schema: 'fedsam.ask/1',
    epoch: 1,
    exchange: EXCHANGE,
    previous: 'f'.repeat(64),
    generation: 1,
    lists: [],
    messages: [messageTo('a', 'one'), messageTo('b', 'one'), messageTo('a', 'two')],
    timeoutSeconds: 60,
    deadlineSeconds: 600,
    ...change,
  }
  return { value, digest: 'e'.repeat(64) }
}

/** Markers of the coordinator with this epoch, of which an exchange needs the run's uid alone. */
export const markersIn = (store: ObjectStore, epoch: number) => ({
  store,
  epoch,
  run: { value: { uid: UID }, digest: '' } as RunMarkers['run'],
})

/** Each client has the key of its name. */
export const CLIENT_KEYS = {
  has: async (client: string, key: string): Promise<boolean> => key === keyNamed(client).publicKey,
  pin: async (): Promise<boolean> => true,
}

/** No client has a state, and states stay in the record. */
export const NO_STATES = { rule: stateRule({}), last: [] as readonly KeptState[] }

/** The reply of a client to the message at this place of the ask. */
export function replyTo(ask: Ask, place: number, text: string, change: Partial<Reply> = {}): Unsigned {
  const { client, content } = ask.messages[place]!
  return {
    schema: 'fedsam.reply/1',
    client,
    exchange: ask.exchange,
    message: place,
    content: content.sha256,
    incarnation: 'i',
    reply: { kind: 'Content', upload: UPLOAD, ...digestPayload(bytesOf(text)) },
    dataset: '',
    state: null,
    stateBase: null,
    ...change,
  }
}

export type Unsigned = Omit<Reply, 'key' | 'signature'>

/** What is wrong with a stored reply. Nothing by default. */
export interface Flaws {
  readonly change?: Partial<Reply>
  /** Whose key signs. */
  readonly signer?: string
  /** The run that the signature names. */
  readonly uid?: string
  /** The bytes that the store has; null: none. */
  readonly stored?: string | null
}

/** Stores the bytes of a reply, and its marker, as the client does. */
export async function storeReply(
  store: ObjectStore,
  ask: Ask,
  { place, text, state, ...flaws }: Flaws & { place: number; text: string; state?: string },
): Promise<void> {
  const { client } = ask.messages[place]!
  const keys = exchangeKeys(ask.exchange)
  const { change = {}, signer = client, uid = UID, stored = text } = flaws
  if (stored !== null) await store.put(keys.payload(client, place, UPLOAD), bytesOf(stored))
  if (state !== undefined) await store.put(keys.clientState(client, place, UPLOAD), bytesOf(state))
  const stated = state === undefined ? {} : { state: { upload: UPLOAD, ...digestPayload(bytesOf(state)) } }
  const reply = replyTo(ask, place, text, { ...stated, ...change })
  await store.put(keys.reply(client, place), signReceipt(keyNamed(signer), uid, reply))
}
