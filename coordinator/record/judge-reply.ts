// Judges one reply in the store: none, rejected with a reason, or accepted. It throws faults of the store only: faults of a client are
// judgements. What the bytes mean is the program's matter; here they must be those that the client signed.
import { FedsamError } from '#protocol/errors.ts'
import type { Ask, Reply } from '#protocol/exchange.ts'
import { plannedKeys } from '#protocol/external.ts'
import { exchangeKeys } from '#protocol/keys.ts'
import type { RejectionReason } from '#protocol/outcomes.ts'
import type { StoreReader } from '#transport/ports.ts'
import { wrongBytes } from '../aggregation/opaque-checks.ts'
import { type StatesBefore, wrongState } from '../rounds/client-states.ts'
import type { ClientKeys } from './client-keys.ts'
import { replyPayloadOf, replyStateOf } from './marker-facts.ts'
import { type Marked, readSigned, type Signed } from './markers.ts'

export type ReplyJudgement =
  | { readonly kind: 'None' }
  | { readonly kind: 'Rejected'; readonly reason: RejectionReason; readonly message: string }
  | { readonly kind: 'Accepted'; readonly reply: Marked<Reply> }

/** Which reply to judge. */
export interface ExpectedReply {
  /** The run's uid, which the signature covers. */
  readonly uid: string
  readonly clientKeys: Pick<ClientKeys, 'has'>
  /** The place of the message in the ask. */
  readonly place: number
  /** The states that the reply may go on from. */
  readonly states: StatesBefore
}

const rejected = (reason: RejectionReason, message: string) =>
  ({ kind: 'Rejected', reason, message }) as const

/** Reads and judges one reply. Throws what the store throws: the client is not at fault for that. */
export async function judgeReply(
  store: StoreReader,
  ask: Ask,
  expected: ExpectedReply,
): Promise<ReplyJudgement> {
  const { place, uid } = expected
  const { client } = ask.messages[place]!
  let reply: Signed<Reply> | undefined
  try {
    reply = await readSigned(store, 'reply', exchangeKeys(ask.exchange).reply(client, place), uid)
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'RecordDamaged')
      return rejected('BadReceipt', error.message)
    throw error
  }
  if (reply === undefined) return { kind: 'None' }
  const { value } = reply
  const fault = await whyNotCounted(reply, ask, expected)
  if (fault !== undefined) return fault
  for (const payload of [replyStateOf(value), replyPayloadOf(value)]) {
    const found = payload === null ? undefined : await wrongBytes(store, payload)
    if (found !== undefined) return found
  }
  return { kind: 'Accepted', reply }
}

/** Why the reply does not count, whatever its bytes are; undefined where it does. */
export async function whyNotCounted(
  reply: Signed<Reply>,
  ask: Ask,
  expected: ExpectedReply,
): Promise<Extract<ReplyJudgement, { kind: 'Rejected' }> | undefined> {
  const { value } = reply
  const { place, states } = expected
  const { client, content } = ask.messages[place]!
  if (value.client !== client || value.exchange !== ask.exchange || value.message !== place)
    return rejected('BadReceipt', 'it names another client, exchange or message')
  const unsigned = await whyNotSigned(reply, ask, expected)
  if (unsigned !== undefined) return rejected('WrongSignature', unsigned)
  if (value.content !== content.sha256)
    return rejected('WrongBase', `replies to ${value.content}; the message has ${content.sha256}`)
  return wrongState(states, value)
}

/** Why the reply does not have its client's signature; undefined where it has. */
async function whyNotSigned(
  { signer, value: { client } }: Signed<Reply>,
  ask: Ask,
  { clientKeys }: ExpectedReply,
): Promise<string | undefined> {
  if (signer.kind !== 'Signed') return 'the signature of the reply does not fit it'
  if ((plannedKeys(ask).get(client) ?? signer.key) !== signer.key)
    return 'another key than the ask names signed the reply'
  return (await clientKeys.has(client, signer.key)) ? undefined : `no key of ${client} signed the reply`
}
