// What others ask a coordinator by HTTP: metrics, and whether it lives and whether its run goes on. Holds no connection open.
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

export interface ServingOptions {
  /** 0: any free one. */
  readonly port: number
  readonly metrics: Pick<Metrics, 'text' | 'type'>
  /** undefined: the run goes on; else what it waits for. */
  readonly hindrance: () => string | undefined
}

/** Serves /metrics, /healthz and /readyz until closed. Throws what listening throws. */
export async function serveProbes({ port, metrics, hindrance }: ServingOptions) {
  const answers: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
    '/healthz': (response) => response.end('ok\n'),
    '/readyz'(response) {
      const why = hindrance()
      response.writeHead(why === undefined ? 200 : 503).end(`${why ?? 'ok'}\n`)
    },
    async '/metrics'(response) {
      const text = await metrics.text()
      response.writeHead(200, { 'content-type': metrics.type }).end(text)
    },
  }
  const server = createServer((request, response) => {
    response.setHeader('connection', 'close')
    const answer = answers[request.url?.split('?')[0] ?? '']
    if (answer === undefined) response.writeHead(404).end()
    else answer(response)
  })
  server.listen(port)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close(): Promise<void> {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
