// The edge of a federation, as an Ingress is one: TLS ends here, WebSockets go to the bus, every other request to the store. It keeps
// Host, path and body as they are, unless a test has it rewrite Host, and notes what passes. Tests alone import it.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createServer, request as requestTls } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'

const at = (name: string): Buffer => readFileSync(fileURLToPath(new URL(`../tls/${name}`, import.meta.url)))

/** The authority of the edge's certificate. */
export const EDGE_CA = at('ca.pem')

export interface TlsEdge {
  /** "localhost:PORT" */
  readonly host: string
  /** "https://localhost:PORT" */
  readonly origin: string
  readonly port: number
  /** Method and path of each request to the store. */
  readonly passed: readonly string[]
  close(): Promise<void>
}

export interface TlsEdgeOptions {
  /** The store: "http://127.0.0.1:PORT". */
  readonly store: string
  /** The bus; absent: WebSockets are closed. */
  readonly websocketPort?: number
  /** What the header Host becomes; absent, it stays. */
  readonly rewrittenHost?: string
  /** The name of the certificate's files in test/tls; that of "server" is for localhost. */
  readonly files?: string
}

export async function startTlsEdge(options: TlsEdgeOptions): Promise<TlsEdge> {
  const { store, websocketPort, rewrittenHost: host, files = 'server' } = options
  const passed: string[] = []
  const sockets = new Set<Duplex>()
  const server = createServer({ cert: at(`${files}.pem`), key: at(`${files}.key`) }, (incoming, outgoing) => {
    passed.push(`${incoming.method} ${incoming.url?.split('?')[0]}`)
    const headers = host === undefined ? incoming.headers : { ...incoming.headers, host }
    const onward = request(store + incoming.url, { method: incoming.method!, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (incoming, socket, head) => {
    if (websocketPort === undefined) socket.destroy()
    else passUpgrade(incoming, websocketPort, { socket, head })
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    host: `localhost:${port}`,
    origin: `https://localhost:${port}`,
    port,
    passed,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function passUpgrade(
  { url, headers }: IncomingMessage,
  port: number,
  { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
): void {
  const inner = connect(port, '127.0.0.1')
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`)
  inner.write([`GET ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
  inner.write(head)
  inner.pipe(socket)
  socket.pipe(inner)
  inner.once('error', () => socket.destroy())
  socket.once('error', () => inner.destroy())
  socket.once('close', () => inner.destroy())
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
