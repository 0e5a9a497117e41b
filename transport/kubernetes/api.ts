// The one REST client of the Kubernetes API, for operator, coordinator and command line: one pool of connections, and JSON without
// types that drop fields. The caller chooses the API server and the account. watch.ts watches; callers retry.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { RequestOptions } from 'node:https'
import { urlToHttpOptions } from 'node:url'
import { FedsamError } from '#protocol/errors.ts'
import type { Environment } from '#runtime/environment.ts'
import { http, https } from '#runtime/http.ts'
import { agentFor, proxyFor } from '../proxy.ts'
import { ApiError, type Call, type KubernetesClient } from './calls.ts'

/** Connections for calls at most. Further calls wait for one. Each watch has a connection of its own. */
const CALL_CONNECTIONS = 6
/** Milliseconds without a byte after which a call has failed. */
const TIMEOUT_MS = 30_000

/** The API server, and the account that asks it. */
export interface ApiAccess {
  /** https://host:port */
  readonly server: string
  /** The certificates and the headers with a token. Every call asks for them, since the kubelet renews both. */
  secure(): Promise<RequestOptions>
  /** The HTTP proxy of this server; absent: the proxy of the environment. */
  readonly proxy?: string
  /** True: connections use the agent that `secure` returns, for example a SOCKS proxy's. */
  readonly ownAgent?: boolean
}

interface ClientOptions {
  /** Connections for calls at most. */
  readonly calls?: number | undefined
  /** For the proxy variables; the environment of this process where it is absent. */
  readonly env?: Environment
}

/** Opens a client with one pool of connections for calls, and one for watches. Throws InvalidJob for an invalid proxy variable. */
export function openKubernetes(access: ApiAccess, options: ClientOptions = {}): KubernetesClient {
  const { calls = CALL_CONNECTIONS, env = process.env } = options
  const url = new URL(access.server)
  // A proxy in front of the server may have a path of its own.
  const { protocol, hostname, port, path: proxied } = urlToHttpOptions(url)
  const base = (proxied ?? '/').replace(/\/$/, '')
  const proxy = access.ownAgent ? undefined : (access.proxy ?? proxyFor(url, env))
  const pool = agentFor(url, proxy, { keepAlive: true, maxSockets: calls })
  const watches = agentFor(url, proxy, { keepAlive: true, maxFreeSockets: 1 })
  const target = async (method: string, path: string, agent = pool): Promise<RequestOptions> => {
    const secured = await access.secure()
    // Some answers have another media type (application/jwk-set+json). The API server refuses them to a client that takes JSON
    // only.
    const accept = 'application/json, */*'
    const headers = { ...(secured.headers as Record<string, string>), accept }
    const by = access.ownAgent ? secured.agent : agent
    return { ...secured, agent: by, headers, protocol, hostname, port, method, path: `${base}${path}` }
  }
  return {
    call: async <T>(call: Call): Promise<T> => send<T>(await target(call.method, call.path), call),
    async *lines<T>({ path, signal }: Pick<Call, 'path' | 'signal'>, quietSeconds: number) {
      const asked = { ...(await target('GET', path, watches)), ...(signal ? { signal } : {}) }
      for await (const line of stream(asked, quietSeconds)) yield JSON.parse(line) as T
    },
    async *text({ path, signal }, quietSeconds) {
      yield* stream({ ...(await target('GET', path, watches)), ...(signal ? { signal } : {}) }, quietSeconds)
    },
    connections: () =>
      [pool, watches]
        .flatMap(({ sockets, freeSockets }) => [...Object.values(sockets), ...Object.values(freeSockets)])
        .reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0),
    close() {
      pool.destroy()
      watches.destroy()
    },
  }
}

function request(options: RequestOptions, answer?: (incoming: IncomingMessage) => void): ClientRequest {
  return (options.protocol === 'http:' ? http() : https()).request(options, answer)
}

function send<T>(options: RequestOptions, { body, contentType, signal, beforeSend }: Call): Promise<T> {
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    ...options.headers,
    ...(payload === undefined
      ? {}
      : { 'content-type': contentType ?? 'application/json', 'content-length': Buffer.byteLength(payload) }),
  }
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...options, headers, ...(signal ? { signal } : {}) }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.once('error', reject)
      incoming.once('end', () => {
        const text = Buffer.concat(chunks).toString()
        const status = incoming.statusCode ?? 0
        try {
          if (status >= 200 && status < 300) resolve(JSON.parse(text) as T)
          else reject(refusal(status, text, incoming.headers['retry-after']))
        } catch (error) {
          reject(error)
        }
      })
    })
    outgoing.setTimeout(TIMEOUT_MS, () =>
      outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)),
    )
    outgoing.once('error', reject)
    // Node writes the request after this event: a call may have waited for its connection for a while.
    outgoing.once('socket', () => {
      try {
        beforeSend?.()
      } catch (error) {
        outgoing.destroy(error as Error)
      }
    })
    outgoing.end(payload)
  })
}

async function* stream(options: RequestOptions, quietSeconds: number): AsyncGenerator<string> {
  const outgoing = request(options)
  outgoing.setTimeout(quietSeconds * 1000, () => outgoing.destroy(new Error(`quiet for ${quietSeconds} s`)))
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  outgoing.on('error', () => {}) // from here on the reader of the answer gets the error
  const status = incoming.statusCode ?? 0
  const given = status >= 200 && status < 300 // 204: a log without lines
  let rest = ''
  try {
    incoming.setEncoding('utf8')
    for await (const chunk of incoming) {
      const lines = given ? (rest + chunk).split('\n') : [rest + chunk]
      rest = lines.pop() ?? ''
      yield* lines
    }
    if (!given) throw refusal(status, rest, incoming.headers['retry-after'])
    // A broken watch may end within a line, which is no JSON. A complete log may lack the last line break.
    if (rest !== '' && incoming.complete) yield rest
  } finally {
    outgoing.destroy()
  }
}

function refusal(status: number, text: string, retryAfter?: string): ApiError {
  const seconds = Number.parseInt(retryAfter ?? '', 10)
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string }
    return new ApiError(status, reason ?? '', message ?? text, seconds)
  } catch {
    return new ApiError(status, '', text.slice(0, 500), seconds)
  }
}

/** The folder of a pod's account. The kubelet renews the token in it. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The access of a pod's own service account. Throws FedsamError InvalidJob outside a pod. */
export function podAccess(env: Environment, folder = ACCOUNT): ApiAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (!host || !port) {
    throw new FedsamError('InvalidJob', 'this is no pod of a cluster: KUBERNETES_SERVICE_HOST is not set', {
      remedy: 'start this program in a pod, or name a kubeconfig',
    })
  }
  const name = host.includes(':') ? `[${host}]` : host
  return {
    server: `https://${name}:${port}`,
    async secure() {
      const [ca, token] = await Promise.all(
        ['ca.crt', 'token'].map((file) => readFile(`${folder}/${file}`, 'utf8')),
      )
      return { ca: ca!, headers: { authorization: `Bearer ${token!.trim()}` } }
    },
  }
}
