// A nats-server that takes a WebSocket with TLS, and knows the key of one site. The certificate is by the private authority of test/tls/.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startNats } from '#cli/run/servers/servers.ts'
import { natsKey } from '#protocol/nkeys.ts'
import { connectWebSocket, type WebSocketOptions } from '#transport/bus/websocket/bus.ts'
import type { MessageBus } from '#transport/ports.ts'

export const certificate = (name: string): string => join(import.meta.dirname, '..', 'tls', name)
export const pem = (name: string): string => readFileSync(certificate(name), 'utf8')

interface ServerOptions {
  /** The name of the files of the server's certificate. */
  readonly files?: string
  /** What the key may publish and subscribe to; absent: everything. */
  readonly permissions?: string
}

export interface WebSocketServer {
  readonly port: number
  /** The 32 random bytes of the site's key. */
  readonly seed: Uint8Array
  /** Of the site's key, besides the address. */
  readonly credentials: WebSocketOptions['credentials']
  /** Connects as the site, with the right authority, unless other options are given; closed at the end. */
  connect(options?: Partial<WebSocketOptions>): Promise<MessageBus>
  /** Stops and starts the server; it then admits this key alone, or that of the site. */
  restart(admitted?: string): Promise<void>
  close(): Promise<void>
}

export async function openWebSocketServer({
  files = 'server',
  permissions,
}: ServerOptions = {}): Promise<WebSocketServer> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-websocket-'))
  const seed = randomBytes(32)
  const key = natsKey('user', seed)
  const port = await freePort()
  const tls = `cert_file: "${certificate(`${files}.pem`)}", key_file: "${certificate(`${files}.key`)}"`
  const rights = permissions === undefined ? '' : `, permissions: ${permissions}`
  const configFor = (admitted: string) => `websocket { listen: "127.0.0.1:${port}", tls { ${tls} } }
authorization { users: [ { nkey: ${admitted}${rights} } ] }`
  let nats = await startNats({ folder, config: configFor(key.publicKey) })
  const credentials = { user: 'site', nkeySeed: key.seed, password: () => '[]' }
  const buses = new Set<MessageBus>()
  return {
    ...{ port, seed },
    credentials,
    async connect(options = {}) {
      const url = `wss://localhost:${port}/bus`
      const tls = { ca: pem('ca.pem') }
      const bus = await connectWebSocket({ url, tls, credentials, onError: () => {}, ...options })
      buses.add(bus)
      return bus
    },
    async restart(admitted = key.publicKey) {
      await nats.stop()
      nats = await startNats({ folder, config: configFor(admitted), port: nats.port })
    },
    async close() {
      await Promise.all([...buses].map((bus) => bus.close()))
      await nats.stop()
      await rm(folder, { recursive: true })
    },
  }
}
