// What the kubelet and Prometheus ask over HTTP: /healthz (it works), /readyz (its caches are filled; so is a standby's), /metrics.
import { createServer, type Server } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface Probes {
  close(): void
}

export interface Health {
  isReady(): boolean
  /** Milliseconds that each look under way has taken. */
  running(): number[]
}

/** An event loop that is later than this on average does not keep up. */
const LATE_MS = 1000
/** Twice the deadline of a look: what takes longer hangs. */
const STUCK_MS = 120_000

export function serveProbes(port: number, { isReady, running }: Health): Probes {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  const isHealthy = (): boolean => {
    const lateMs = delay.mean / 1e6
    delay.reset()
    return !(lateMs > LATE_MS) && !running().some((taken) => taken > STUCK_MS)
  }
  const server = serve(port, (url) => {
    const well = url === '/healthz' ? isHealthy() : url === '/readyz' && isReady()
    return { status: well ? 200 : 503, text: well ? 'ok' : 'not ready', type: 'text/plain' }
  })
  return {
    close() {
      delay.disable()
      end(server)
    },
  }
}

/** `text` in Prometheus' format. */
export function serveMetrics(port: number, source: { text(): Promise<string>; type: string }): Probes {
  const server = serve(port, async () => ({ status: 200, text: await source.text(), type: source.type }))
  return { close: () => end(server) }
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly type: string
}

function serve(port: number, answer: (url: string) => Answer | Promise<Answer>): Server {
  return createServer(async ({ url }, response) => {
    const { status, text, type } = await answer(url ?? '')
    response.writeHead(status, { 'content-type': type }).end(text)
  }).listen(port)
}

function end(server: Server): void {
  server.close()
  server.closeAllConnections()
}
