// The message bus over a NATS server (core NATS: nothing is stored there).
// Promises: all of ports.ts; it reconnects for ever. While the line is down a request is not queued by the library, which
// would send it to nobody's use later: it waits for the line until its own time is over.

import { readFileSync } from 'node:fs'
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type Msg,
  type NatsConnection,
  type Status,
} from 'nats'
import { FedsamError } from '#protocol/errors.ts'
import { type MessageBus, NoAnswer, type RequestHandler } from '../../ports.ts'
import { checkBody, checkPattern, checkSubject } from '../subject.ts'
import { type Requests, requestsOver } from './requests.ts'

export interface NatsOptions {
  /** "nats://host:4222"; several, separated by commas, are tried in turn. One tls:// demands TLS of all of them. */
  readonly url: string
  /** Who we are, for the server's logs. */
  readonly name?: string
  readonly credentials?:
    | { readonly credsFile: string }
    | { readonly user: string; readonly password: string }
    | { readonly token: string }
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  /** For the first connection; afterwards it never gives up. */
  readonly connectTimeoutMs?: number
  /** Hears what a handler threw (with the subject), and what the server refuses. */
  readonly onError?: (error: unknown, subject?: string) => void
}

/** Throws FedsamError MessagingUnreachable where the first connection fails. */
export async function connectNats(options: NatsOptions): Promise<MessageBus> {
  const connection = await connect(connectionOptions(options)).catch((cause: Error) => {
    throw new FedsamError('MessagingUnreachable', `${options.url}: ${cause.message}`, {
      remedy: 'check that the NATS server runs, can be reached from here, and knows these credentials',
      cause,
    })
  })
  const onError = options.onError ?? (() => {})
  const requests = requestsOver(connection)
  const line = watch(connection, requests, onError)
  return {
    description: options.url,
    serve: async (pattern, handler) => serve(connection, checkPattern(pattern), { handler, onError, line }),
    async request(subject, body, { timeoutMs, inbox = '_INBOX.fedsam' }) {
      checkBody(checkSubject(subject), body)
      const started = performance.now()
      if (!(await line.isUp(timeoutMs))) throw new NoAnswer(`${subject}: the connection is away`)
      const left = Math.max(1, timeoutMs - (performance.now() - started))
      return requests.send(subject, body, { timeoutMs: left, inbox })
    },
    async close() {
      requests.fail('the bus was closed')
      // Draining sends what was answered a moment ago; on a line that is down it would wait for ever.
      const drained = line.up() ? connection.drain().catch(() => {}) : Promise.resolve()
      await within(2000, drained)
      await connection.close()
    },
  }
}

function connectionOptions(options: NatsOptions): ConnectionOptions {
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
    timeout: options.connectTimeoutMs ?? 5000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    ignoreAuthErrorAbort: true, // credentials may be rotated while we are away
    pingInterval: 10_000, // a line that died silently is noticed within half a minute
    ...(tls ? { tls } : {}),
    ...(credentials ? authentication(credentials) : {}),
  }
}

function authentication(credentials: NonNullable<NatsOptions['credentials']>): ConnectionOptions {
  // Read anew at each connection: the file may have been replaced.
  if ('credsFile' in credentials)
    return { authenticator: credsAuthenticator(() => new Uint8Array(readFileSync(credentials.credsFile))) }
  if ('token' in credentials) return { token: credentials.token }
  return { user: credentials.user, pass: credentials.password }
}

/** Is the connection there? */
interface Line {
  up(): boolean
  /** Waits for it to come back, `timeoutMs` at most. */
  isUp(timeoutMs: number): Promise<boolean>
}

function watch(connection: NatsConnection, requests: Requests, onError: (error: unknown) => void): Line {
  let back: PromiseWithResolvers<void> | undefined // set while the line is down
  const hear = (event: Status) => {
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
    for await (const event of connection.status()) hear(event)
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

/** Resolves with the promise, or when the time is over. */
async function within(timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, timeoutMs)
  await Promise.race([promise, over.promise]).finally(() => clearTimeout(timer))
}

interface Serving {
  readonly handler: RequestHandler
  readonly onError: (error: unknown, subject?: string) => void
  readonly line: Line
}

async function serve(connection: NatsConnection, pattern: string, { handler, onError, line }: Serving) {
  let refused: Error | undefined
  const answer = async (message: Msg) => {
    try {
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
  const subscription = connection.subscribe(pattern, { callback })
  // The server has the subscription when it has answered this ping: requests from elsewhere find us from now on.
  if (line.up())
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
