// Gives what the record has of an exchange to the program, as files of its working folder: the replies of a decided one, and contents that the
// program sends otherwise in this life. Each content is checked against its digests on the way. They come from the record alone, so that every
// life of the program gets the same.
import { open, writeFile } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import type { DecidedReply, ExchangeDecision, Reply } from '#protocol/exchange.ts'
import { exchangeKeys } from '#protocol/keys.ts'
import type { PayloadRef } from '#protocol/record.ts'
import { writeFully } from '#runtime/file-bytes.ts'
import type { StoreReader } from '#transport/ports.ts'
import { readPayload } from '../aggregation/payload-reader.ts'
import { type Marked, readRecord } from '../record/markers.ts'
import type { NumberedMessage } from './difference.ts'
import { placeIn } from './scratch.ts'
import type { IncomingReply, RecordedContent } from './seam.ts'

/** Codes of error replies, which are Flower's: the client's program failed; the client is gone, or its reply does not count. */
const CLIENT_FAILED = 2
const CLIENT_GONE = 5
/** Bytes of one read: whole digest blocks. */
const READ_BYTES = 8 * 1024 * 1024

export interface RepliesToWrite {
  readonly decision: ExchangeDecision
  /** Replies at hand, by the place of their message in the ask; the others are read. */
  readonly received: ReadonlyMap<number, Marked<Reply>>
  /** For each message of the program its place in the ask. */
  readonly places: readonly number[]
}

/**
 * Writes the replies, in the order of the program's messages, and resolves to the file that lists them. A message that was late has
 * none. Throws RecordDamaged.
 */
export async function writeReplies(
  store: StoreReader,
  folder: string,
  { decision, received, places }: RepliesToWrite,
): Promise<string> {
  const { exchange } = decision
  const replies: IncomingReply[] = []
  for (const [message, place] of places.entries()) {
    const decided = decision.replies.find((one) => one.message === place)
    if (decided === undefined)
      throw damaged(`exchanges/${exchange}/decision.json decides nothing about message ${place}`)
    const reply = await replyOf(store, folder, { exchange, message, decided, received })
    if (reply !== undefined) replies.push(reply)
  }
  return writeList(folder, `replies-${exchange}.json`, { replies })
}

/** Writes the recorded contents of messages, by their places in the program's list, and resolves to the file that lists them. */
export async function writeRecorded(
  store: StoreReader,
  folder: string,
  exchange: number,
  messages: readonly (Pick<NumberedMessage, 'content'> & { readonly message: number })[],
): Promise<string> {
  const contents: RecordedContent[] = []
  const written = new Map<string, string>()
  for (const { message, content } of messages) {
    const path =
      written.get(content.sha256) ?? (await placeIn(folder, `recorded-${exchange}`, `${message}.records`))
    if (!written.has(content.sha256))
      await download(store, { key: exchangeKeys(exchange).content(content.sha256), ...content }, path)
    written.set(content.sha256, path)
    contents.push({ message, content: path })
  }
  return writeList(folder, `recorded-${exchange}.json`, { contents })
}

/** Writes a list of replies, or of contents. */
export async function writeList(
  folder: string,
  name: string,
  list: { readonly replies: readonly IncomingReply[] } | { readonly contents: readonly RecordedContent[] },
): Promise<string> {
  const file = await placeIn(folder, name)
  await writeFile(file, JSON.stringify(list))
  return file
}

async function replyOf(
  store: StoreReader,
  folder: string,
  of: {
    readonly exchange: number
    readonly message: number
    readonly decided: DecidedReply
    readonly received: ReadonlyMap<number, Marked<Reply>>
  },
): Promise<IncomingReply | undefined> {
  const { exchange, message, decided, received } = of
  const { client, outcome, reason, text } = decided
  if (outcome === 'Late') return undefined
  if (outcome !== 'Accepted') {
    const code = outcome === 'Failed' ? CLIENT_FAILED : CLIENT_GONE
    return { message, client, error: { code, reason: text === '' ? `${outcome}: ${reason}` : text } }
  }
  const own = received.get(decided.message)
  const { reply } = own?.digest === decided.reply ? own.value : await readReply(store, exchange, decided)
  if (reply.kind === 'Error') return { message, client, error: { code: reply.code, reason: reply.reason } }
  const { upload, size, sha256, blocks } = reply
  const key = exchangeKeys(exchange).payload(client, decided.message, upload)
  const content = await placeIn(folder, `replies-${exchange}`, `${message}.records`)
  await download(store, { key, size, sha256, blocks }, content)
  return { message, client, content }
}

/** The reply that a decision names. Throws RecordDamaged where it is missing, or is another one. */
async function readReply(store: StoreReader, exchange: number, decided: DecidedReply): Promise<Reply> {
  const key = exchangeKeys(exchange).reply(decided.client, decided.message)
  const stored = await readRecord(store, 'reply', key)
  if (stored !== undefined && stored.digest === decided.reply) return stored.value
  throw damaged(`${key} is not what the decision names`)
}

async function download(store: StoreReader, payload: PayloadRef, path: string): Promise<void> {
  const handle = await open(path, 'w')
  try {
    for (let at = 0; at < payload.size; at += READ_BYTES)
      await writeFully(
        handle,
        await readPayload(store, { payload }, [at, Math.min(at + READ_BYTES, payload.size)]),
      )
  } finally {
    await handle.close()
  }
}

function damaged(message: string): FedsamError {
  return new FedsamError('RecordDamaged', message)
}
