// The message bus over a NATS server (core NATS: the server stores nothing). Guarantees those of ports.ts, and reconnects without
// end. While the connection is down, a request waits for it until its own time is over. The library would queue the request and
// send it when its caller waits no longer.

import { type ConnectionOptions, connect, type Msg, type NatsConnection, type Status } from 'nats'
import { FedsamError } from '#protocol/errors.ts'
import { shortened } from '#protocol/text.ts'
import { type MessageBus, NoAnswer, type RequestHandler } from '../../ports.ts'
import { authorityRemedy, isUntrusted } from '../../tls.ts'
import { checkBody, checkPattern, checkSubject } from '../subject.ts'
import { authentication, type NatsCredentials } from './authentication.ts'
import { type Requests, requestsOver } from './requests.ts'

export interface NatsOptions {
  /** "nats://host:4222", or several separated by commas, which are tried in turn. One tls:// demands TLS of all of them. */
  readonly url: string
  /** Names this connection in the server's logs. */
  readonly name?: string
  readonly credentials?: NatsCredentials
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  /** The queue group of what this connection serves: the server gives each request to one member of the group. */
  readonly group?: string
  /**
   * Whether an answer to this subject may go to this reply subject. A client chooses its reply subject, and this connection may publish
   * where the client may not. Absent: it may.
   */
  readonly mayAnswer?: (subject: string, reply: string) => boolean
  /** Milliseconds of one try to connect. Only the first connection gives up. */
  readonly connectTimeoutMs?: number
  /** Receives the error that a handler threw, with its subject, and every refusal of the server. */
  readonly onError?: (error: unknown, subject?: string) => void
}

/** Throws FedsamError MessagingUnreachable where the first connection fails. */
export async function connectNats(options: NatsOptions): Promise<MessageBus> {
  const onError = options.onError ?? (() => {})
  const connection = await connect(connectionOptions(options, onError)).catch((cause: Error) => {
    throw new FedsamError('MessagingUnreachable', `${options.url}: ${cause.message}`, {
      remedy: remedyOf(cause),
      cause,
    })
  })
  const requests = requestsOver(connection)
  const link = linkOf(connection, requests, onError)
  return {
    description: options.url,
    serve: async (pattern, handler) =>
      serve(connection, checkPattern(pattern), { ...options, handler, onError, link }),
    async request(subject, body, { timeoutMs, inbox = '_INBOX.fedsam', ...others }) {
      checkBody(checkSubject(subject), body)
      const started = performance.now()
      if (!(await link.isUp(timeoutMs))) throw new NoAnswer(`${subject}: the connection is down`)
      const left = Math.max(1, timeoutMs - (performance.now() - started))
      return requests.send(subject, body, { ...others, timeoutMs: left, inbox })
    },
    async close() {
      requests.fail('the bus was closed')
      // Draining sends the last answers. On a connection that is down it would never end.
      const drained = link.up() ? connection.drain().catch(() => {}) : Promise.resolve()
      await within(2000, drained)
      await connection.close()
    },
  }
}

/** NATS tells a refused client nothing: a wrong token and a gate that is away look the same to it. */
function remedyOf(cause: Error): string {
  if (isUntrusted(cause)) return authorityRemedy('messaging.nats.tlsSecretName')
  return /authoriz|authentic/i.test(cause.message)
    ? 'the server does not admit these credentials, or the gate does not run: `kubectl fedsam doctor NAME` shows why'
    : 'check that the NATS server runs, can be reached from here, and knows these credentials'
}

function connectionOptions(options: NatsOptions, onError: (error: unknown) => void): ConnectionOptions {
  const { credentials } = options
  const servers = options.url.split(',')
  // The library ignores the scheme: it would speak plain text to a server without TLS, and NATS itself to a WebSocket.
  const tls = options.tls ?? (servers.some((url) => url.startsWith('tls://')) ? {} : undefined)
  const foreign = servers.find((url) => url.includes('://') && !/^(nats|tls):/.test(url))
  if (foreign !== undefined)
    throw new FedsamError('MessagingUnreachable', `${foreign} is no address of a NATS server`, {
      remedy: 'write nats://host:port or tls://host:port',
    })
  return {
    servers,
    ...(options.name ? { name: options.name } : {}),
    timeout: options.connectTimeoutMs ?? 10_000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    ignoreAuthErrorAbort: true, // credentials may be rotated while the connection is down
    pingInterval: 10_000, // detects a silently dead connection within half a minute
    ...(tls ? { tls } : {}),
    ...(credentials ? authentication(credentials, onError) : {}),
  }
}

/** The state of the connection. */
interface LinkState {
  up(): boolean
  /** Whether it is up; waits at most `timeoutMs` for it to come back. */
  isUp(timeoutMs: number): Promise<boolean>
}

function linkOf(
  connection: NatsConnection,
  requests: Requests,
  onError: (error: unknown) => void,
): LinkState {
  let back: PromiseWithResolvers<void> | undefined // set while the connection is down
  const receive = (event: Status) => {
    if (event.type === 'disconnect') {
      back ??= Promise.withResolvers()
      requests.fail('the connection broke')
    } else if (event.type === 'reconnect') {
      back?.resolve()
      back = undefined
    } else if (event.type === 'error') {
      const { operation, subject } = event.permissionContext ?? {}
      onError(
        new Error(`the NATS server refuses: ${[event.data, operation, subject].filter(Boolean).join(' ')}`),
      )
      if (operation === 'publish' && subject) requests.fail('this client may not ask it', subject)
    }
  }
  const follow = async () => {
    for await (const event of connection.status()) receive(event)
  }
  void follow()
  return {
    up: () => back === undefined,
    async isUp(timeoutMs) {
      if (back) await within(timeoutMs, back.promise)
      return back === undefined && !connection.isClosed()
    },
  }
}

/** Resolves with the promise, or after `timeoutMs`. */
async function within(timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, timeoutMs)
  await Promise.race([promise, over.promise]).finally(() => clearTimeout(timer))
}

/** A request that names the reply subject of another client. It gets no answer, and its handler is not called. */
export class ForeignReply extends Error {
  override readonly name = 'ForeignReply'
}

interface Serving extends Pick<NatsOptions, 'group' | 'mayAnswer'> {
  readonly handler: RequestHandler
  readonly onError: (error: unknown, subject?: string) => void
  readonly link: LinkState
}

async function serve(connection: NatsConnection, pattern: string, serving: Serving) {
  const { handler, onError, link, group, mayAnswer } = serving
  let refused: Error | undefined
  const answer = async (message: Msg) => {
    try {
      if (mayAnswer?.(message.subject, message.reply ?? '') === false)
        throw new ForeignReply(
          `the reply subject ${shortened(message.reply ?? '', 200)} is not the sender's own`,
        )
      const body = await handler(message.subject, new Uint8Array(message.data))
      message.respond(checkBody(message.subject, body))
    } catch (error) {
      onError(error, message.subject)
    }
  }
  const callback = (error: Error | null, message: Msg) => {
    if (error) refused = error
    else void answer(message)
  }
  const subscription = connection.subscribe(pattern, { callback, ...(group ? { queue: group } : {}) })
  // The server has the subscription once it has answered this ping: from now on, requests of any client arrive.
  if (link.up())
    await within(
      5000,
      connection.flush().catch(() => {}),
    )
  if (refused) {
    const remedy = 'let this account subscribe to the subject'
    throw new FedsamError('MessagingUnreachable', `${pattern}: ${String(refused)}`, {
      cause: refused,
      remedy,
    })
  }
  return {
    async stop() {
      subscription.unsubscribe()
    },
  }
}
