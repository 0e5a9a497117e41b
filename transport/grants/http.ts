// Redeems grants that are presigned URLs, over HTTP on connections that stay open. Guarantees: a refusal of the service is
// GrantRefused; a failure that may pass is retried, then FedsamError StorageUnreachable. The caller knows the digest and checks
// the bytes.

import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import { gather } from '#runtime/chunks.ts'
import type { Environment } from '#runtime/environment.ts'
import { http, https } from '#runtime/http.ts'
import { retry } from '#runtime/retry.ts'
import { type ByteRange, type Grant, GrantRefused } from '../ports.ts'
import { agentFor, proxyFor } from '../proxy.ts'
import { beyondEnd, checkRange } from '../store/key.ts'
import { isUntrusted } from '../tls.ts'
import type { GrantScheme } from './scheme.ts'

interface HttpOptions {
  /** Tries of a transfer. */
  readonly attempts?: number
  /** For the proxy variables; the environment of this process where it is absent. */
  readonly env?: Environment
  /** Replaces what the environment says. */
  readonly line?: Line
}

/** The way to a store outside of this network. */
export interface Line {
  /** PEM of the authorities that may sign the store's certificate, in the place of the system's. */
  readonly ca?: string
  /** "http://[user:password@]host:port"; absent: no proxy, whatever the environment says. */
  readonly proxy?: string
}

/** Seconds between two tries of a transfer. */
const BACKOFF = { first: 0.1, longest: 10 }
/** Bytes above which a body is sent in pieces: a socket takes a smaller one at once. */
const LARGE_BODY = 2 * 1024 * 1024
/** Bytes of a piece: few enough for one system call. */
const PIECE_BYTES = 256 * 1024
/** Characters of an answer without an object: an error of an S3 server has a few hundred. */
const MOST_TEXT = 64 * 1024
/** Seconds that a connection may carry nothing: a service may be slow to store a large body. */
const SILENCE_SECONDS = 300

export function httpScheme(options: HttpOptions = {}): GrantScheme {
  const attempts = options.attempts ?? 5
  const send = sender(options)
  const ask = (grant: Grant, sent: Sent, tries = attempts) =>
    retryPassing(grant, tries, () => answerTo(grant, send, sent))
  return {
    async read(grant, range) {
      if (range) checkRange(placeOf(grant), range)
      if (range?.length === 0) return new Uint8Array(0)
      const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
      return retryPassing(grant, attempts, async () =>
        readBody(grant, await answerTo(grant, send, { method: 'GET', headers }), range),
      )
    },
    async open(grant, from) {
      const headers = from > 0 ? { range: `bytes=${from}-` } : undefined
      const answer = await ask(grant, { method: 'GET', headers })
      const total =
        from > 0 ? answer.headers['content-range']?.split('/')[1] : answer.headers['content-length']
      return { size: Number(total), chunks: answer }
    },
    async write(grant, body, _digest, tries) {
      const answer = await ask(grant, { method: 'PUT', body }, tries)
      await bodyText(answer)
      return answer.statusCode === 412 ? 'Exists' : 'Created'
    },
  }
}

/** A failure that may pass by itself: a broken connection, a service that is busy or restarting. */
class Passing extends Error {}

/**
 * Retries a transfer while its failures are Passing. Throws every other failure, and StorageUnreachable after the last attempt.
 */
function retryPassing<T>(grant: Grant, attempts: number, transfer: () => Promise<T>): Promise<T> {
  const onFailure = (cause: unknown, failures: number): undefined => {
    if (!(cause instanceof Passing)) throw cause
    if (failures < attempts) return
    const remedy = isUntrusted(cause.cause)
      ? "name the authority that signed the store's certificate; a proxy that opens TLS presents a certificate of its own"
      : 'check that the storage endpoint can be reached from here'
    throw new FedsamError('StorageUnreachable', `${placeOf(grant)}: ${cause.message}`, { cause, remedy })
  }
  return retry(transfer, { backoff: BACKOFF, onFailure })
}

/** The URL without its query: logs must hold no signature. */
function placeOf(grant: Grant): string {
  const { origin, pathname } = new URL(grant.url)
  return origin + pathname
}

interface Sent {
  readonly method: Grant['method']
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array
}

type Send = (grant: Grant, sent: Sent) => Promise<IncomingMessage>

/**
 * Sends requests over open connections of its own. It uses Node's plain client and not fetch: fetch copies each body that it
 * sends, and passes each answer through further streams.
 */
function sender({ env = process.env, line }: HttpOptions): Send {
  const options = { keepAlive: true, ...(line?.ca === undefined ? {} : { ca: line.ca }) }
  const agents = new Map<string, Agent>()
  const connections = (url: URL): Agent => {
    const proxy = line ? line.proxy : proxyFor(url, env)
    const key = `${url.protocol} ${proxy ?? ''}`
    const agent = agents.get(key) ?? agentFor(url, proxy, options)
    agents.set(key, agent)
    return agent
  }
  return (grant, { method, headers, body }) =>
    new Promise((resolve, reject) => {
      const url = new URL(grant.url)
      const length = body && { 'content-length': String(body.byteLength) }
      const options = {
        method,
        headers: { ...grant.headers, ...headers, ...length },
        timeout: SILENCE_SECONDS * 1000,
        agent: connections(url),
      }
      const request = (url.protocol === 'https:' ? https() : http()).request(url, options)
      request.once('timeout', () => request.destroy(new Error(`no data for ${SILENCE_SECONDS} s`)))
      request.on('error', (cause) => reject(new Passing(cause.message, { cause })))
      request.once('response', (answer) => {
        // The reader of the body gets the error. Without this listener it would end the process where no reader exists.
        answer.on('error', () => undefined)
        // An answer that comes before the whole body was sent is a refusal: the service reads no more of it.
        answer.once('end', () => {
          if (!request.writableFinished) request.destroy()
        })
        resolve(answer)
      })
      void sendBody(request, body)
    })
}

/**
 * Ends a request with its body. A large body goes in pieces, with a turn of the event loop after each. A service may refuse a
 * request by its headers, answer, and reset the connection during the body; if the body went in one piece, the reset would hide
 * the answer.
 */
async function sendBody(request: ClientRequest, body: Uint8Array | undefined): Promise<void> {
  if (body === undefined || body.byteLength <= LARGE_BODY) {
    request.end(body)
    return
  }
  let answered = false
  request.once('response', () => {
    answered = true
  })
  for (let from = 0; from < body.byteLength; from += PIECE_BYTES) {
    await new Promise((sent) => request.write(body.subarray(from, from + PIECE_BYTES), sent))
    await nextTurn()
    if (answered || request.destroyed) return
  }
  request.end()
}

/** The answer of a request that succeeded, or that found the object in place (412). Its body is not read yet. */
async function answerTo(grant: Grant, send: Send, sent: Sent): Promise<IncomingMessage> {
  const { method } = sent
  if (grant.method !== method) throw new GrantRefused(`${placeOf(grant)}: the grant is for ${grant.method}`)
  const answer = await send(grant, sent)
  const status = answer.statusCode ?? 0
  if ((status >= 200 && status < 300) || (status === 412 && method === 'PUT')) return answer
  if (status >= 300 && status < 400) {
    answer.destroy()
    throw new GrantRefused(
      `${placeOf(grant)}: the store redirects${targetOf(answer)}; no redirect is followed`,
      {
        reason: 'Redirect',
      },
    )
  }
  const message = `${placeOf(grant)}: ${status} ${codeOf(await bodyText(answer))}`
  if (status === 416) throw new RangeError(message)
  if (status >= 500 || status === 408 || status === 409 || status === 429) throw new Passing(message)
  throw new GrantRefused(message)
}

/** Where an answer redirects to, without path and query: they may hold rights. */
function targetOf({ headers: { location = '' } }: IncomingMessage): string {
  return URL.canParse(location) ? ` to ${new URL(location).origin}` : ''
}

/** The whole of a short body, so that the connection can serve again; what came of a longer one, or where the connection broke. */
async function bodyText(answer: IncomingMessage): Promise<string> {
  let found = ''
  try {
    for await (const chunk of answer.setEncoding('utf8')) {
      found += chunk
      if (found.length > MOST_TEXT) break // ends the connection, too
    }
  } catch {}
  return found
}

/** S3's name of the error, from the XML of the answer. */
function codeOf(xml: string): string {
  return /<Code>(\w+)<\/Code>/.exec(xml)?.[1] ?? ''
}

async function readBody(grant: Grant, answer: IncomingMessage, range?: ByteRange): Promise<Uint8Array> {
  const length = Number(answer.headers['content-length'] ?? Number.NaN)
  if (range && (answer.statusCode !== 206 || length !== range.length)) {
    answer.destroy()
    throw beyondEnd(placeOf(grant), range)
  }
  return gather(placeOf(grant), length, answer).catch((error: Error) => {
    throw new Passing(error.message, { cause: error })
  })
}
