// Whether PUT and GET pass the network up to the store, without a grant. The S3 server then refuses them in its own words, and that is a
// success: nobody on the way stopped them. Guarantees: every step ends; nothing of the site is sent. Only a grant shows all: see
// cli/site/probe.ts.
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { http } from '#runtime/http.ts'
import { type EntryOptions, openEntry } from './check.ts'
import { reasonOf } from './connect.ts'
import { StepFailed } from './step.ts'

/** What answered. Unknown: somebody for whom a request without a grant says too little. */
export interface StoreAnswer {
  readonly kind: 'Store' | 'Unknown'
  readonly says: string
}

export interface StoreOptions extends Omit<EntryOptions, 'url'> {
  /** Without a query. */
  readonly url: URL
  /** What a PUT sends. */
  readonly body: Uint8Array
}

/** Bytes of a first PUT, which every server reads as a whole. */
const SMALL_BYTES = 4096
/** Bytes of a body that are sent at a time, and milliseconds in which a server may answer after each. */
const PIECE = { bytes: 64 * 1024, ms: 100 }
/** Characters of an answer that are read. */
const MOST_TEXT = 4096

/** Sends a GET. Throws StepFailed where somebody before the store stops it. */
export function askGet({ body: _, ...options }: StoreOptions): Promise<StoreAnswer> {
  return ask(options)
}

/** Sends a PUT with a small body, then one with the whole body. Throws StepFailed where somebody before the store stops one of them. */
export async function askPut(options: StoreOptions): Promise<StoreAnswer> {
  const small = await ask({ ...options, body: options.body.subarray(0, SMALL_BYTES) })
  try {
    const large = await ask(options)
    return small.kind === 'Unknown' ? small : large
  } catch (error) {
    if (!(error instanceof StepFailed) || error.fault !== 'NoAnswer') throw error
    // An S3 server refuses before it has read all, and resets the connection: then its answer may be lost.
    const says = `${small.says}; the connection ended under ${sizeOf(options)}, and only a grant shows whether it passes`
    return { kind: 'Unknown', says }
  }
}

type Asked = Omit<StoreOptions, 'body'> & { readonly body?: Uint8Array }

async function ask(options: Asked): Promise<StoreAnswer> {
  const { url, body, stepMs: ms = 10_000 } = options
  const socket = await openEntry(url, options, () => {})
  const asking = http().request({
    createConnection: () => socket,
    method: body === undefined ? 'GET' : 'PUT',
    path: url.pathname,
    headers: { host: url.host, ...(body && { 'content-length': String(body.byteLength) }) },
    signal: AbortSignal.timeout(6 * ms), // a body may be slow to leave
  })
  try {
    const answered = once(asking, 'response') as Promise<[IncomingMessage]>
    await sendBody(asking, body, answered)
    const [answer] = await answered
    return judge(options, answer, await textOf(answer))
  } catch (error) {
    if (error instanceof StepFailed) throw error
    throw new StepFailed(
      'NoAnswer',
      `${url.host} does not answer ${named(options)}: ${reasonOf(error as Error, 6 * ms)}`,
      `ask the network's people whether a device on the way ends connections that carry ${named(options)}`,
    )
  } finally {
    socket.destroy()
  }
}

/** Sends the body piece by piece, up to an answer. A proxy that keeps a body before it passes the request on gets all of it. */
async function sendBody(
  asking: ClientRequest,
  body: Uint8Array | undefined,
  answered: Promise<unknown>,
): Promise<void> {
  for (let from = 0; body !== undefined && from < body.byteLength; from += PIECE.bytes) {
    asking.write(body.subarray(from, from + PIECE.bytes))
    if (await Promise.race([answered.then(() => true), setTimeout(PIECE.ms, false)])) return
  }
  asking.end()
}

/** The beginning of a body. An answer that comes before the whole request was sent may end in a reset. */
async function textOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of answer.setEncoding('latin1')) {
      text += chunk
      if (text.length >= MOST_TEXT) break
    }
  } catch {}
  return text
}

function judge(options: Asked, answer: IncomingMessage, text: string): StoreAnswer {
  const { host } = options.url
  const { statusCode: status = 0, headers } = answer
  const code = /<Error>[\s\S]*?<Code>(\w{1,64})<\/Code>/.exec(text)?.[1]
  if (code !== undefined)
    return {
      kind: 'Store',
      says: `${named(options)} reaches the store, which refuses it without a grant (${code})`,
    }
  const by = authorOf(answer)
  const says = `${named(options)} to ${host} is answered with ${status} by ${by}, not by an S3 server`
  if (status === 405 || status === 501)
    throw new StepFailed('MethodRefused', says, `ask the people of ${by} to let PUT and GET pass to ${host}`)
  if (status === 413)
    throw new StepFailed(
      'BodyRefused',
      says,
      `ask the people of ${by} to let bodies of 32 MiB pass to ${host}`,
    )
  if (status >= 300 && status < 400)
    throw new StepFailed(
      'Redirected',
      `${says}: it redirects${targetOf(headers.location)}`,
      `ask the network's people to let ${host} pass without a page in between; a site follows no redirect`,
    )
  if (status === 404) return { kind: 'Unknown', says: `${says}: it has no store at this path` }
  throw new StepFailed(
    'NotTheStore',
    says,
    `ask the people of ${by} to let PUT and GET pass to ${host}, and those who run the federation whether its store runs`,
  )
}

/** Where an answer redirects to, without path and query: they may hold rights. */
function targetOf(location = ''): string {
  return URL.canParse(location) ? ` to ${new URL(location).origin}` : ''
}

/** Who an answer says that it is from. */
function authorOf({ headers }: IncomingMessage): string {
  const names = [headers.server, headers.via].filter((name) => name !== undefined)
  const shown = names.map((name) => JSON.stringify(name.slice(0, 80)))
  return shown.length === 0 ? 'a server that does not name itself' : shown.join(' by ')
}

function named({ body }: Pick<Asked, 'body'>): string {
  return body === undefined ? 'GET' : `PUT with ${sizeOf({ body })}`
}

function sizeOf({ body }: Pick<StoreOptions, 'body'>): string {
  return `a body of ${Math.round(body.byteLength / 1024)} KiB`
}
