// Redeems grants that are presigned URLs, over HTTP with connections kept open.
// Promises: what the service refuses is GrantRefused; what may pass is tried again, then FedsamError StorageUnreachable.
// Whether the bytes that came are the right ones is for the caller, who knows their digest.

import { type Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import { gather } from '#runtime/chunks.ts'
import type { Environment } from '#runtime/environment.ts'
import { retry } from '#runtime/retry.ts'
import { type ByteRange, type Grant, GrantRefused } from '../ports.ts'
import { agentFor, proxyFor } from '../proxy.ts'
import { beyondEnd, checkRange } from '../store/key.ts'
import type { GrantScheme } from './scheme.ts'

export interface HttpOptions {
  /** How often a transfer is tried. */
  readonly attempts?: number
  /** For the proxies; this process's where it is absent. */
  readonly env?: Environment
}

/** Seconds between two tries of a transfer. */
const BACKOFF = { first: 0.1, longest: 10 }
/** Bytes of a body above which it goes in pieces: what a socket takes at once needs none. */
const LARGE_BODY = 2 * 1024 * 1024
/** Bytes of a body that are written at a time: few enough for one system call. */
const PIECE_BYTES = 256 * 1024
/** How long a connection may carry nothing. */
const SILENCE_SECONDS = 300

export function httpScheme(options: HttpOptions = {}): GrantScheme {
  const attempts = options.attempts ?? 5
  const send = sender(options.env ?? process.env)
  const ask = (grant: Grant, sent: Sent) => retryPassing(grant, attempts, () => answerTo(grant, send, sent))
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
    async write(grant, body) {
      const answer = await ask(grant, { method: 'PUT', body })
      await saidIn(answer)
      return answer.statusCode === 412 ? 'Exists' : 'Created'
    },
  }
}

/** What may pass by itself: a broken connection, a service that is busy or restarting. */
class Passing extends Error {}

/** Throws what is no Passing at once, and FedsamError StorageUnreachable after that many attempts. */
function retryPassing<T>(grant: Grant, attempts: number, transfer: () => Promise<T>): Promise<T> {
  const onFailure = (cause: unknown, failures: number): undefined => {
    if (!(cause instanceof Passing)) throw cause
    if (failures < attempts) return
    const remedy = 'check that the storage endpoint can be reached from here'
    throw new FedsamError('StorageUnreachable', `${placeOf(grant)}: ${cause.message}`, { cause, remedy })
  }
  return retry(transfer, { backoff: BACKOFF, onFailure })
}

/** URL without its query: a signature is nothing for logs. */
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
 * Sends requests over connections of its own, kept open. Node's plain client and not fetch, which copies each body that it
 * sends and passes what comes through streams of its own.
 */
function sender(env: Environment): Send {
  const agents = new Map<string, Agent>()
  const connections = (url: URL): Agent => {
    const proxy = proxyFor(url, env)
    const key = `${url.protocol} ${proxy ?? ''}`
    const agent = agents.get(key) ?? agentFor(url, proxy, { keepAlive: true })
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
      const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options)
      request.once('timeout', () => request.destroy(new Error(`nothing came for ${SILENCE_SECONDS} s`)))
      request.on('error', (cause) => reject(new Passing(cause.message, { cause })))
      request.once('response', (answer) => {
        // Who reads the body learns of it; it must not end the process where nobody does.
        answer.on('error', () => undefined)
        // An answer that came before all of the body was sent is a refusal: nobody reads the rest.
        answer.once('end', () => {
          if (!request.writableFinished) request.destroy()
        })
        resolve(answer)
      })
      void sendBody(request, body)
    })
}

/**
 * Ends a request with its body. A large body goes in pieces, with a turn of the event loop after each: a service may refuse a request
 * by its head, answer, and reset the connection while the body is on its way. Written in one go, the reset would hide the answer.
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

/** An answer that holds what was asked for, or that it exists; its body is not read yet. */
async function answerTo(grant: Grant, send: Send, sent: Sent): Promise<IncomingMessage> {
  const { method } = sent
  if (grant.method !== method) throw new GrantRefused(`${placeOf(grant)}: the grant is for ${grant.method}`)
  const answer = await send(grant, sent)
  const status = answer.statusCode ?? 0
  if ((status >= 200 && status < 300) || (status === 412 && method === 'PUT')) return answer
  const said = `${placeOf(grant)}: ${status} ${codeOf(await saidIn(answer))}`
  if (status === 416) throw new RangeError(said)
  if (status >= 500 || status === 408 || status === 409 || status === 429) throw new Passing(said)
  throw new GrantRefused(said)
}

/** All of a short body, so that its connection serves again; '' where it broke. */
async function saidIn(answer: IncomingMessage): Promise<string> {
  return text(answer).catch(() => '')
}

/** S3's own name of the error, from its XML. */
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
