// The one host that sites reach, as an edge of a cluster serves it: TLS ends here, /bus goes to the gate's nats-server, every other path
// to the store. It rewrites nothing: the host stays the one for which grants are signed.
import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { pem } from './websocket-server.ts'

export interface Entry {
  /** "localhost:PORT" */
  readonly host: string
  /** The requests to the store, "METHOD PATH". */
  readonly requests: readonly string[]
  close(): Promise<void>
}

interface Behind {
  readonly websocketPort: number
  readonly storePort: number
}

/** Its certificate is by the private authority of test/tls/ca.pem. */
export async function openEntry({ websocketPort, storePort }: Behind): Promise<Entry> {
  const requests: string[] = []
  const sockets = new Set<Duplex>()
  const server = createServer({ cert: pem('server.pem'), key: pem('server.key') }, (incoming, answer) => {
    const { method = '', url = '', headers } = incoming
    requests.push(`${method} ${url.replace(/\?.*/, '')}`)
    const passed = request({ host: '127.0.0.1', port: storePort, method, path: url, headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers)
      answered.pipe(answer)
    })
    passed.once('error', () => answer.destroy())
    incoming.pipe(passed)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('upgrade', ({ url, headers }, socket, head) => {
    const inner = connect(websocketPort, '127.0.0.1')
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`)
    inner.write([`GET ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
    inner.write(head)
    inner.pipe(socket)
    socket.pipe(inner)
    inner.once('error', () => socket.destroy())
    socket.once('error', () => inner.destroy())
    socket.once('close', () => inner.destroy())
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
