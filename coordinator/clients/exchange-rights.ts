// What a client may read and write in an open exchange of a Program run: the contents of the messages to it, its own last state, and the
// reply to the message that it works on. No client reads what was sent to another, unless it was sent the same bytes. Pure.
import { MOST_REPLY_BYTES } from '#protocol/exchange.ts'
import { exchangeKeys, type ParsedKey, replyPayloadKeys, replyStateKeys } from '#protocol/keys.ts'
import type { Want } from '#protocol/messages.ts'
import { lastState } from '../rounds/client-states.ts'
import type { ServedExchange } from './current-attempt.ts'
import { sizeWanted, whyNotReceipt } from './wanted.ts'

type Rights = Pick<ServedExchange, 'ask' | 'states' | 'placeOf'>

/** Bytes of a content; 0 where the exchange has none of this name. */
export function sizeOfContent(
  { ask }: Pick<Rights, 'ask'>,
  { sha256 }: Extract<ParsedKey, { kind: 'Content' }>,
): number {
  return ask.value.messages.find(({ content }) => content.sha256 === sha256)?.content.size ?? 0
}

/** Why the client may not read the object; undefined where it may. `name`: its key. */
export function whyNotReadExchange(
  { ask, states }: Rights,
  client: string,
  key: ParsedKey,
  name: string,
): string | undefined {
  if (key.kind === 'Base' || key.kind === 'Run') return undefined
  const { exchange, messages } = ask.value
  const isSent =
    key.kind === 'Content' &&
    key.exchange === exchange &&
    messages.some((message) => message.client === client && message.content.sha256 === key.sha256)
  const isState = key.kind === 'ReplyState' && lastState(states, client)?.key === name
  return isSent || isState ? undefined : `${client} may not read ${name} now`
}

/** Why the client may not write the object; undefined where it may. */
export function whyNotWriteExchange(
  exchange: Rights,
  client: string,
  key: ParsedKey,
  want: Want,
): string | undefined {
  if (key.kind !== 'Reply' && key.kind !== 'ReplyPayload' && key.kind !== 'ReplyState')
    return `clients may not write ${want.key} in an exchange`
  if (key.client !== client) return `${want.key} belongs to ${key.client}`
  const open = exchange.ask.value.exchange
  if (key.exchange !== open) return `exchange ${key.exchange} is not open`
  if (exchange.placeOf(client) !== key.message)
    return `the exchange does not wait for the reply of ${client} to message ${key.message}`
  if (key.kind === 'Reply') return whyNotReceipt(want)
  if (want.kind === 'Join') return 'a reply comes in one transfer, or in parts'
  return key.kind === 'ReplyPayload'
    ? whyNotPayload(exchange, client, key.message, want)
    : whyNotState(exchange, client, key.message, want)
}

function whyNotPayload({ ask }: Rights, client: string, message: number, want: Want): string | undefined {
  if (!replyPayloadKeys(exchangeKeys(ask.value.exchange), client, message).includes(want.key))
    return `${want.key} is not a name of a reply in this exchange`
  const size = sizeWanted(want)
  return size <= MOST_REPLY_BYTES
    ? undefined
    : `a reply has at most ${MOST_REPLY_BYTES} bytes; ${client} asked for ${size}`
}

function whyNotState(
  { ask, states: { rule } }: Rights,
  client: string,
  message: number,
  want: Want,
): string | undefined {
  if (rule.place === 'Local') return "a client's state stays at the client in this run"
  if (!replyStateKeys(exchangeKeys(ask.value.exchange), client, message).includes(want.key))
    return `${want.key} is not a name of a state in this exchange`
  const size = sizeWanted(want)
  return size <= rule.maxBytes
    ? undefined
    : `a client's state has at most ${rule.maxBytes} bytes in this run; ${client} asked for ${size}`
}
