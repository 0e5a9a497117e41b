// One HTTP request to a Hub or to where it redirects, through the proxy of the environment where there is one. Guarantees: a
// connection that carries nothing for a while ends in an error. Redirects and meanings are left to the caller.
import { once } from 'node:events'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Environment } from '#runtime/environment.ts'
import { agentFor, proxyFor } from '../proxy.ts'

/** An answer. Its body is read or dropped. */
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
  /** How long the connection may carry nothing. */
  readonly silenceMs: number
  readonly env: Environment
}

/** The answer's headers are here, its body follows. Throws what the network throws, and InvalidJob for a proxy variable without a valid address. */
export async function requestHub(
  target: URL,
  { method, headers, silenceMs, env }: HubRequest,
): Promise<HubAnswer> {
  const agent = agentFor(target, proxyFor(target, env), {})
  const send = target.protocol === 'https:' ? requestHttps : requestHttp
  const outgoing = send(target, { method, headers, agent, timeout: silenceMs })
  outgoing.once('timeout', () => outgoing.destroy(new Error(`nothing came for ${silenceMs / 1000} s`)))
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  // An error after the answer began belongs to the body, which tells its reader.
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
