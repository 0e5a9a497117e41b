// The message bus over a NATS server by WebSocket, for sites: one outgoing TLS connection, through a proxy where one is named. Guarantees
// those of ports.ts, and reconnects without end, with a fresh signature and password each time. ../over-connection.ts has the rules that
// it shares with the bus by TCP. The library keeps one transport for the process: no other code may use @nats-io/nats-core.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ConnectionOptions, NatsConnection, WsConnectionOptions } from '@nats-io/nats-core'
import { FedsamError } from '#protocol/errors.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { MessageBus } from '../../ports.ts'
import { checkedProxy, isLoopback } from '../../proxy.ts'
import { isUntrusted } from '../../tls.ts'
import type { ConnectionEvent } from '../connection.ts'
import { busOver } from '../over-connection.ts'

export interface WebSocketOptions {
  /** "wss://host[:port]/path". "ws://" is for this machine alone. */
  readonly url: string
  readonly credentials: {
    readonly user: string
    /** "SU...": signs the server's nonce at each connect. */
    readonly nkeySeed: string
    /** Called at each connect. */
    readonly password: () => string
  }
  /** Names this connection in the server's logs. */
  readonly name?: string
  /** `ca`: PEM. It replaces the system's roots. */
  readonly tls?: { readonly ca?: string }
  /** "http://[user:password@]host:port" of an HTTP proxy that takes CONNECT. The environment names none. */
  readonly proxy?: string
  /** Called after every connect, also the first. The permissions of the connection may have changed. */
  readonly onConnected?: () => void
  /** Receives the error that a handler threw, with its subject, every refusal of the server, and why a try to connect failed. */
  readonly onError: (error: unknown, subject?: string) => void
  /** Called when the server refuses the key at a connect after the first one: no job names it any more, or the gate is away. */
  readonly onNotAdmitted?: () => void
  /** Ends a connect that is under way: the first one throws Interrupted, and a later one is given up. */
  readonly signal?: AbortSignal
  readonly times?: Times
}

interface Times {
  /** Milliseconds of one try to connect. */
  readonly connectMs?: number
  /** Milliseconds between two pings. After three without an answer the line is dead. */
  readonly pingMs?: number
}

/** Seconds between tries to connect. Many sites return at once when a server does. */
const BACKOFF = { first: 0.25, longest: 10 }
const UNANSWERED_PINGS = 3

/** Throws FedsamError MessagingUnreachable where the first connection fails, and Interrupted where the signal ends it. */
export async function connectWebSocket(options: WebSocketOptions): Promise<MessageBus> {
  const { url, onError, onConnected = () => {} } = options
  checkUrl(url)
  if (options.proxy !== undefined) checkedProxy(options.proxy, 'the proxy')
  const { wsconnect, nkeyAuthenticator } = await import('@nats-io/nats-core')
  const { openSocket } = await import('./socket.ts')
  const line = lineOf(options, openSocket)
  const sign = nkeyAuthenticator(new TextEncoder().encode(options.credentials.nkeySeed))
  const authenticator = [(nonce?: string) => sign(signable(nonce)), passwordOf(options)]
  const connecting = wsconnect({ ...connectionOptions(options), ...line.options, authenticator })
  const connection = await untilAborted(connecting, options.signal).catch((cause: Error) => {
    line.end()
    throw cause instanceof FedsamError ? cause : unreachable(options, line.failure() ?? cause)
  })
  const up = (): void => {
    line.connected()
    onConnected()
  }
  line.connected()
  line.report(onError)
  void nextTurn().then(onConnected) // the caller has its bus by then
  return busOver(connection, eventsOf(connection, options.onNotAdmitted), {
    description: url,
    onError,
    onUp: up,
  })
}

/** The connection; throws Interrupted at once where the signal aborts first. A connection that comes later is closed. */
async function untilAborted(
  connecting: Promise<NatsConnection>,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  if (signal === undefined) return connecting
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => {
    aborted.reject(new FedsamError('Interrupted', 'the connect was given up'))
    connecting.then((late) => late.close()).catch(() => {})
  }
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([connecting, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** A nonce of nats-server: random bytes in base64url. */
const NONCE = /^[A-Za-z0-9_-]{8,64}$/

/**
 * The nonce, if it can be one of nats-server; else undefined, and the connection shows no signature. The key of a site also signs requests
 * and receipts. A hostile server could send the bytes of a receipt as a nonce, and would get the signature.
 */
function signable(nonce: string | undefined): string | undefined {
  return nonce !== undefined && NONCE.test(nonce) ? nonce : undefined
}

function checkUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const secure = parsed?.protocol === 'wss:'
  if (secure || (parsed?.protocol === 'ws:' && isLoopback(parsed.hostname))) return
  throw new FedsamError('MessagingUnreachable', `${url} is no address of a NATS server over a WebSocket`, {
    remedy: 'write wss://host[:port]/path',
  })
}

function connectionOptions({ url, name, times = {} }: WebSocketOptions): ConnectionOptions {
  return {
    servers: [url],
    ...(name ? { name } : {}),
    timeout: times.connectMs ?? 10_000,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // permissions end once a minute, and the gate may be away
    ignoreClusterUpdates: true, // the server names other addresses; a site speaks to this one alone
    pingInterval: times.pingMs ?? 10_000, // detects a silently dead connection within 40 s
    maxPingOut: UNANSWERED_PINGS,
  }
}

/** After an error thrown here the library would never reconnect: the last password is used again. */
function passwordOf({ credentials, onError }: WebSocketOptions) {
  const { user, password } = credentials
  let pass = password()
  return () => {
    try {
      pass = password()
    } catch (error) {
      onError(error)
    }
    return { user, pass }
  }
}

/** As the standard numbers the states of a WebSocket. */
const CONNECTING = 0

interface Ending {
  readonly socket: { readonly readyState: number }
  readonly end: () => void
}

/** The tries to connect: their sockets, the pauses between them, and why they fail. */
function lineOf(
  { tls, proxy, signal }: WebSocketOptions,
  openSocket: typeof import('./socket.ts').openSocket,
) {
  let tries = 0
  let pause = 0
  let failure: Error | undefined
  let last: Ending | undefined
  let report: (error: Error) => void = () => {}
  const onFailure = (reason: Error): void => {
    failure = reason
    report(reason)
  }
  const options: WsConnectionOptions = {
    reconnectDelayHandler: () => pause,
    wsFactory: async (url) => {
      pause = 1000 * pauseAfter(++tries, BACKOFF, Math.random())
      const { socket, end } = openSocket(url, { ...tls, ...(proxy ? { proxy } : {}) }, onFailure)
      last = { socket, end }
      return { socket, encrypted: url.startsWith('wss:') }
    },
  }
  // An open connection still carries the last words of its owner.
  const giveUp = (): void => void (last?.socket.readyState === CONNECTING && last.end())
  signal?.addEventListener('abort', giveUp, { once: true })
  return {
    options,
    /** Ends the connection, whatever its state. */
    end: () => last?.end(),
    connected() {
      tries = 0
      failure = undefined
    },
    failure: () => failure,
    report(onError: (error: Error) => void) {
      report = onError
    },
  }
}

/** The library's reports, as every bus over a connection reads them. Permissions that end are no refusal: a site has fresh ones at once. */
async function* eventsOf(
  connection: NatsConnection,
  onNotAdmitted: () => void = () => {},
): AsyncGenerator<ConnectionEvent> {
  const { AuthorizationError, PermissionViolationError, UserAuthenticationExpiredError } = await import(
    '@nats-io/nats-core'
  )
  for await (const event of connection.status()) {
    if (event.type === 'disconnect') yield { kind: 'Down' }
    else if (event.type === 'reconnect') yield { kind: 'Up' }
    else if (event.type === 'error' && !(event.error instanceof UserAuthenticationExpiredError)) {
      const { error } = event
      if (error instanceof AuthorizationError) onNotAdmitted()
      const about =
        error instanceof PermissionViolationError
          ? { operation: error.operation, subject: error.subject }
          : {}
      yield { kind: 'Refused', message: error.message, ...about }
    }
  }
}

function unreachable({ url, proxy }: WebSocketOptions, cause: Error): FedsamError {
  const way = proxy === undefined ? url : `${url} by the proxy ${new URL(proxy).host}`
  return new FedsamError('MessagingUnreachable', `${way}: ${cause.message}`, {
    remedy: remedyOf(cause, proxy),
    cause,
  })
}

/** NATS tells a refused client nothing: a wrong key and a gate that is away look the same to it. */
function remedyOf(cause: Error, proxy: string | undefined): string {
  if (isUntrusted(cause)) return "name the authority that signed the server's certificate"
  if (/authoriz|authentic/i.test(cause.message))
    return 'the federation does not admit this key, or its gate does not run: ask the people who run the federation'
  return proxy === undefined
    ? 'check that this machine reaches the address, or name the proxy of this network'
    : 'check that the proxy takes CONNECT to this address'
}
