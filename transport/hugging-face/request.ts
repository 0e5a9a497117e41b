// One HTTP request to a Hub or to where it redirects, through the proxy of the environment where there is one. Guarantees: a
// connection without data for a while ends in an error. The caller follows redirects and judges the status.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Environment } from '#runtime/environment.ts'
import { http, https } from '#runtime/http.ts'
import { agentFor, proxyFor } from '../proxy.ts'

/** An answer. The caller reads its body or drops it. */
export interface HubAnswer {
  readonly url: URL
  readonly status: number
  readonly headers: Headers
  readonly body: AsyncIterable<Uint8Array>
  /** Ends the connection. */
  drop(): void
}

export interface HubRequest {
  readonly method: 'HEAD' | 'GET'
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds that the connection may carry nothing. */
  readonly silenceMs: number
  readonly env: Environment
}

/** Resolves with the headers; the body follows. Throws the errors of the network, and InvalidJob for an invalid proxy variable. */
export async function requestHub(
  target: URL,
  { method, headers, silenceMs, env }: HubRequest,
): Promise<HubAnswer> {
  const agent = agentFor(target, proxyFor(target, env), {})
  const send = (target.protocol === 'https:' ? https() : http()).request
  const outgoing = send(target, { method, headers, agent, timeout: silenceMs })
  outgoing.once('timeout', () => outgoing.destroy(new Error(`no data for ${silenceMs / 1000} s`)))
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  // An error during the answer belongs to its body: the reader of the body gets it.
  outgoing.on('error', () => undefined)
  incoming.on('error', () => undefined)
  const pairs = Object.entries(incoming.headersDistinct).flatMap(([name, values]) =>
    (values ?? []).map((value): [string, string] => [name, value]),
  )
  return {
    url: target,
    status: incoming.statusCode ?? 0,
    headers: new Headers(pairs),
    body: incoming,
    drop: () => void incoming.destroy(),
  }
}
