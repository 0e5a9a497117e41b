// The message bus over a NATS server by TCP (core NATS: the server stores nothing). Guarantees those of ports.ts, and reconnects without
// end. ../over-connection.ts has the rules that it shares with the bus over a WebSocket.

import { type ConnectionOptions, connect, type NatsConnection } from 'nats'
import { FedsamError } from '#protocol/errors.ts'
import type { MessageBus } from '../../ports.ts'
import { authorityRemedy, isUntrusted } from '../../tls.ts'
import type { ConnectionEvent } from '../connection.ts'
import { busOver } from '../over-connection.ts'
import type { Serving } from '../serving.ts'
import { authentication, type NatsCredentials } from './authentication.ts'

export interface NatsOptions extends Pick<Serving, 'group' | 'mayAnswer'> {
  /** "nats://host:4222", or several separated by commas, which are tried in turn. One tls:// demands TLS of all of them. */
  readonly url: string
  /** Names this connection in the server's logs. */
  readonly name?: string
  readonly credentials?: NatsCredentials
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
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
  return busOver(connection, eventsOf(connection), { ...options, description: options.url, onError })
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

/** The library's reports, as every bus over a connection reads them. */
async function* eventsOf(connection: NatsConnection): AsyncGenerator<ConnectionEvent> {
  for await (const event of connection.status()) {
    if (event.type === 'disconnect') yield { kind: 'Down' }
    else if (event.type === 'reconnect') yield { kind: 'Up' }
    else if (event.type === 'error') {
      const { operation, subject } = event.permissionContext ?? {}
      yield {
        kind: 'Refused',
        message: String(event.data),
        ...(operation && subject ? { operation, subject } : {}),
      }
    }
  }
}
