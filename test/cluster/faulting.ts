// A proxy before a real API server that does what networks and overloaded servers do: it refuses, resets, falls silent, cuts a
// line in two. Everything else passes through, and every request is noted.
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import { join } from 'node:path'
import type { KubernetesServer } from '#scripts/kubernetes/server.ts'

/** What becomes of a request: answered so without asking, cut off, never answered, or its answer broken off in the middle. */
export type Fault =
  | { readonly status: number; readonly body?: object; readonly headers?: Record<string, string> }
  | 'Reset'
  | 'Silent'
  /** Of a watch: the first event arrives half, then the connection ends. */
  | 'Truncated'
  /** Of a watch: it stays open, but nothing more comes. */
  | 'HalfOpen'

export interface Asked {
  readonly method: string
  readonly path: string
}

export interface FaultingProxy {
  /** https://127.0.0.1:PORT; its certificate is the API server's. */
  readonly url: string
  /** A kubeconfig that leads through the proxy. */
  readonly kubeconfig: string
  readonly asked: Asked[]
  /** Decides about each request; undefined lets it pass. */
  decide: (asked: Asked) => Fault | undefined
  close(): Promise<void>
}

/** `folder` is that of the API server, whose certificate the proxy shows. */
export async function startFaultingProxy(
  target: KubernetesServer,
  folder: string,
  name: string,
): Promise<FaultingProxy> {
  const [cert, key] = await Promise.all(
    ['apiserver.crt', 'apiserver.key'].map((file) => readFile(join(folder, file))),
  )
  const { hostname, port } = new URL(target.url)
  const agent = new Agent({ keepAlive: true, ca: target.ca, ...target.admin })
  const listener = createServer({ cert: cert!, key: key! }, (incoming, outgoing) => {
    const asked = { method: incoming.method ?? '', path: incoming.url ?? '' }
    proxy.asked.push(asked)
    const fault = proxy.decide(asked)
    if (fault === undefined || fault === 'Truncated' || fault === 'HalfOpen') {
      pass({ incoming, outgoing }, { agent, hostname, port }, fault)
    } else if (fault === 'Reset') incoming.socket.destroy()
    else if (fault !== 'Silent') {
      const headers = { 'content-type': 'application/json', ...fault.headers }
      outgoing.writeHead(fault.status, headers).end(JSON.stringify(fault.body ?? {}))
    }
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const own = `https://127.0.0.1:${(listener.address() as { port: number }).port}`
  const kubeconfig = join(folder, `kubeconfig-${name}`)
  await writeFile(kubeconfig, (await readFile(target.kubeconfig, 'utf8')).replaceAll(target.url, own))
  const proxy: FaultingProxy = {
    url: own,
    kubeconfig,
    asked: [],
    decide: () => undefined,
    async close() {
      agent.destroy()
      listener.closeAllConnections()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  return proxy
}

function pass(
  { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
  target: { agent: Agent; hostname: string; port: string },
  fault: 'Truncated' | 'HalfOpen' | undefined,
): void {
  const { host: _, ...headers } = incoming.headers
  const onward = request({ ...target, method: incoming.method, path: incoming.url, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    outgoing.flushHeaders()
    if (fault === 'HalfOpen') return void answer.resume()
    answer.on('data', (chunk: Buffer) => {
      if (fault === undefined) outgoing.write(chunk)
      else outgoing.write(chunk.subarray(0, chunk.length / 2), () => incoming.socket.destroy())
    })
    answer.on('end', () => outgoing.end())
    answer.on('error', () => outgoing.destroy())
  })
  onward.on('error', () => outgoing.destroy())
  outgoing.on('close', () => onward.destroy())
  incoming.pipe(onward)
}
