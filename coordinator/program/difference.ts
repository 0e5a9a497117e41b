// Compares what a program asks in a later life with what the record has of an earlier one. Messages are found by client and number, and
// compared by kind, group and content; the order of messages to different clients does not matter. Pure.
import type { Ask, Message } from '#protocol/exchange.ts'
import { shortened } from '#protocol/text.ts'

/** A message with its number at its client, before anything is stored. */
export type NumberedMessage = Pick<Message, 'client' | 'number' | 'kind' | 'group' | 'content'>

/** The messages with their numbers. `counts`: the messages to each client so far, which grow. */
export function numbered<T extends { readonly client: string }>(
  messages: readonly T[],
  counts: ReadonlyMap<string, number>,
): (T & { readonly number: number })[] {
  const next = new Map(counts)
  return messages.map((message) => {
    const number = next.get(message.client) ?? 0
    next.set(message.client, number + 1)
    return { ...message, number }
  })
}

/** The counts after these messages. */
export function countedWith(
  counts: ReadonlyMap<string, number>,
  messages: readonly { readonly client: string }[],
): ReadonlyMap<string, number> {
  const next = new Map(counts)
  for (const { client } of messages) next.set(client, (next.get(client) ?? 0) + 1)
  return next
}

/**
 * For each message of the program the place of the same message in the record; or what differs, as a sentence. Contents: the messages are the
 * same but for the contents of those that `differing` names by their places in the program's list.
 */
export type Comparison =
  | { readonly kind: 'Same'; readonly places: readonly number[] }
  | {
      readonly kind: 'Contents'
      readonly places: readonly number[]
      readonly differing: readonly number[]
      readonly sentence: string
    }
  | { readonly kind: 'Different'; readonly sentence: string }

/** Letters of a kind or a group that a sentence shows. */
const LONGEST_WORD = 80

export function compareAsk(
  { exchange, messages: recorded }: Pick<Ask, 'exchange' | 'messages'>,
  asked: readonly NumberedMessage[],
): Comparison {
  const nameOf = ({ client, number }: NumberedMessage): string => `${client} ${number}`
  const places = new Map(recorded.map((message, place) => [nameOf(message), place]))
  const found: number[] = []
  const differing: number[] = []
  for (const [index, message] of asked.entries()) {
    const place = places.get(nameOf(message))
    if (place === undefined) return different(exchange, message, 'the record has no such message')
    const says = wordsDiffer(recorded[place]!, message)
    if (says !== undefined) return different(exchange, message, says)
    if (recorded[place]!.content.sha256 !== message.content.sha256) differing.push(index)
    found.push(place)
  }
  const missing = recorded.find((message) => !asked.some((other) => nameOf(other) === nameOf(message)))
  if (missing !== undefined) return different(exchange, missing, 'the program sent no such message now')
  const [first] = differing
  if (first === undefined) return { kind: 'Same', places: found }
  const says = contentsDiffer(recorded[found[first]!]!.content, asked[first]!.content)
  const { sentence } = different(exchange, asked[first]!, says)
  return { kind: 'Contents', places: found, differing, sentence }
}

/** `says`: what differs in the message. */
export function different(
  exchange: number,
  { client, number }: Pick<NumberedMessage, 'client' | 'number'>,
  says: string,
): Extract<Comparison, { kind: 'Different' }> {
  return {
    kind: 'Different',
    sentence: `exchange ${exchange}, message ${number} to ${client}: ${says}`,
  }
}

function wordsDiffer(recorded: NumberedMessage, now: NumberedMessage): string | undefined {
  for (const field of ['kind', 'group'] as const) {
    if (recorded[field] === now[field]) continue
    const [was, is] = [recorded[field], now[field]].map((word) =>
      JSON.stringify(shortened(word, LONGEST_WORD)),
    )
    return `its ${field} was ${was} and is ${is}`
  }
  return undefined
}

function contentsDiffer(was: NumberedMessage['content'], is: NumberedMessage['content']): string {
  return `its content had ${was.size} bytes with SHA-256 ${was.sha256} and has ${is.size} with ${is.sha256}`
}
