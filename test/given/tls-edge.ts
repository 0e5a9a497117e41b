// The edge of a federation, as an Ingress is one: TLS ends here, WebSockets go to the bus, every other request to the store. It keeps
// Host, path and body as they are, unless a test has it rewrite Host, and notes what passes. Tests alone import it.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer, request as requestTls } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'

const at = (name: string): Buffer => readFileSync(fileURLToPath(new URL(`../tls/${name}`, import.meta.url)))

/** The authority of the edge's certificate. */
export const EDGE_CA = at('ca.pem')

/** A request to the store. */
export interface Transfer {
  readonly method: string
  readonly path: string
  /** The header Range. */
  readonly range: string | undefined
  /** The port at the other end of its connection. */
  readonly from: number | undefined
  /** Of the answer; undefined before the answer. */
  status: number | undefined
}

export interface TlsEdge {
  /** "NAME:PORT" */
  readonly host: string
  /** "https://NAME:PORT" */
  readonly origin: string
  readonly port: number
  /** Method and path of each request to the store. */
  readonly passed: readonly string[]
  readonly transfers: readonly Transfer[]
  /** WebSockets that the bus has not ended. */
  websockets(): number
  /** Ends the connection of each request to the store, until it is up again. */
  setStoreDown(down: boolean): void
  /** Connections that are open. */
  open(): number
  /** Ends all open connections, without a goodbye; returns how many there were. */
  cut(): number
  close(): Promise<void>
}

export interface TlsEdgeOptions {
  /** The store: "http://127.0.0.1:PORT", or https. */
  readonly store: string
  /** The bus, in the same form; absent: WebSockets are closed. */
  readonly bus?: string
  /** Of servers behind the edge with https: their authority, as PEM, and the names in their certificates. */
  readonly behind?: { readonly ca: string; readonly store: string; readonly bus: string }
  /** Where requests to the store are redirected to; absent: they pass. */
  readonly redirectTo?: string
  /** Bytes of the longest body that passes; longer ones are refused by the head of their request. */
  readonly mostBody?: number
  /** What the header Host becomes; absent, it stays. */
  readonly rewrittenHost?: string
  /** The name of the certificate's files in test/tls; that of "server" is for localhost. */
  readonly files?: string
  /** Where it listens, and the name that it is reached by; a free port of localhost unless set. */
  readonly at?: { readonly address: string; readonly port: number; readonly name: string }
}

export async function startTlsEdge(options: TlsEdgeOptions): Promise<TlsEdge> {
  const { bus, files = 'server', at: place = { address: 'localhost', port: 0, name: 'localhost' } } = options
  const passed: string[] = []
  const transfers: Transfer[] = []
  let isStoreDown = false
  let websockets = 0
  const sockets = new Set<Duplex>()
  const server = createServer({ cert: at(`${files}.pem`), key: at(`${files}.key`) }, (incoming, outgoing) => {
    passed.push(`${incoming.method} ${incoming.url?.split('?')[0]}`)
    transfers.push(transferOf(incoming, outgoing))
    if (isStoreDown) return void incoming.destroy()
    passRequest(options, incoming, outgoing)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (incoming, socket, head) => {
    if (bus === undefined) return void socket.destroy()
    websockets += 1
    const end = (): void => {
      websockets -= 1
    }
    passUpgrade(options, incoming, { socket, head }).once('close', end)
  })
  server.listen(place.port, place.address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cut = (): number => {
    const open = sockets.size
    for (const socket of sockets) socket.destroy()
    return open
  }
  return {
    host: `${place.name}:${port}`,
    origin: `https://${place.name}:${port}`,
    port,
    passed,
    transfers,
    websockets: () => websockets,
    setStoreDown(down) {
      isStoreDown = down
    },
    open: () => sockets.size,
    cut,
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

function transferOf(
  { method = '', url = '', headers, socket }: IncomingMessage,
  outgoing: ServerResponse,
): Transfer {
  const path = url.split('?')[0]!
  const transfer: Transfer = {
    method,
    path,
    range: headers.range,
    from: socket.remotePort,
    status: undefined,
  }
  outgoing.once('close', () => {
    if (outgoing.headersSent) transfer.status = outgoing.statusCode
  })
  return transfer
}

function passRequest(
  { store, behind, rewrittenHost: host, mostBody = Number.POSITIVE_INFINITY, redirectTo }: TlsEdgeOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  if (redirectTo !== undefined) {
    outgoing.writeHead(307, { location: redirectTo }).end()
    return
  }
  if (Number(incoming.headers['content-length'] ?? 0) > mostBody) {
    outgoing.writeHead(413, { server: 'small-edge' }).end()
    return
  }
  const headers = host === undefined ? incoming.headers : { ...incoming.headers, host }
  const url = new URL(store + incoming.url)
  const options = { method: incoming.method!, headers }
  const pass = (answer: IncomingMessage): void => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  }
  const onward =
    url.protocol === 'https:'
      ? requestTls(url, { ...options, ca: behind?.ca, servername: behind?.store }, pass)
      : request(url, options, pass)
  onward.on('error', () => outgoing.destroy())
  outgoing.on('close', () => onward.destroy())
  incoming.pipe(onward)
}

/** The connection to the bus. */
function passUpgrade(
  { bus, behind }: TlsEdgeOptions,
  { url, headers }: IncomingMessage,
  { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
): Duplex {
  const { protocol, hostname: host, port } = new URL(bus!)
  const to = { host, port: Number(port) }
  const inner =
    protocol === 'https:' ? connectTls({ ...to, ca: behind?.ca, servername: behind?.bus }) : connect(to)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`)
  inner.write([`GET ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
  inner.write(head)
  inner.pipe(socket)
  socket.pipe(inner)
  inner.once('error', () => socket.destroy())
  socket.once('error', () => inner.destroy())
  socket.once('close', () => inner.destroy())
  return inner
}

/** One request over TLS: the status and the body of the answer. */
export async function overTls(
  url: string,
  { method, headers = {}, body }: { method: string; headers?: object; body?: Uint8Array },
): Promise<{ readonly status: number; readonly body: Buffer }> {
  const length = body === undefined ? {} : { 'content-length': body.byteLength }
  const asking = requestTls(url, { method, headers: { ...headers, ...length }, ca: EDGE_CA, agent: false })
  asking.end(body)
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }
}
