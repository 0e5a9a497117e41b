// For tests of clients outside: an edge that ends TLS in front of a server, as an Ingress does. It keeps Host and body as they are,
// unless a test has it rewrite Host, and notes what passes. Its certificate is for localhost, or for
// another name of test/tls. Tests alone import it.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createServer, request as requestTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

const at = (name: string): Buffer => readFileSync(fileURLToPath(new URL(`../tls/${name}`, import.meta.url)))

/** The authority of the edge's certificate. */
export const EDGE_CA = at('ca.pem')

export interface TlsEdge {
  /** "https://localhost:PORT" */
  readonly origin: string
  readonly port: number
  /** Method and path of each request. */
  readonly passed: string[]
  close(): Promise<void>
}

/**
 * `target`: "http://127.0.0.1:PORT". `host`: what the header Host becomes; absent, it stays. `files`: the name of the certificate's
 * files in test/tls.
 */
export async function startTlsEdge(target: string, host?: string, files = 'server'): Promise<TlsEdge> {
  const passed: string[] = []
  const server = createServer({ cert: at(`${files}.pem`), key: at(`${files}.key`) }, (incoming, outgoing) => {
    passed.push(`${incoming.method} ${incoming.url?.split('?')[0]}`)
    const headers = host === undefined ? incoming.headers : { ...incoming.headers, host }
    const onward = request(target + incoming.url, { method: incoming.method!, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `https://localhost:${port}`,
    port,
    passed,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
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
