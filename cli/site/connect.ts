// Connects a site to the bus of a federation, with the key and the list of its jobs: in the same way for `site check` as for `site run`.
import { encodeJobList, type JobName, SITE_USER } from '#protocol/sites.ts'
import type { Environment } from '#runtime/environment.ts'
import type { Federation } from '#site/file/site.ts'
import { connectWebSocket } from '#transport/bus/websocket/bus.ts'
import type { MessageBus } from '#transport/ports.ts'
import { proxyFor } from '#transport/proxy.ts'

/** How a site's connections leave its network: the authorities in the place of the system's, as PEM, and the proxy. */
export interface Way {
  readonly ca?: string
  readonly proxy?: string
}

/**
 * The proxy of the site's file; without one, the proxy that the environment names for the federation's host, as for every command. Throws
 * FedsamError InvalidJob, which names the variable, for a proxy of the environment that cannot be used.
 */
export function wayOf(
  ca: string | undefined,
  { proxy: own, store }: Pick<Federation, 'proxy' | 'store'>,
  env: Environment = process.env,
): Way {
  const proxy = own ?? proxyFor(new URL(store), env)
  return { ...(ca === undefined ? {} : { ca }), ...(proxy === undefined ? {} : { proxy }) }
}

interface ConnectOptions {
  readonly name: string
  /** "SU..." */
  readonly nkeySeed: string
  readonly way: Way
  readonly jobs: readonly JobName[]
  readonly onConnected?: () => void
  readonly onNotAdmitted?: () => void
  readonly onError: (error: unknown) => void
  /** Ends a connect that is under way. */
  readonly signal?: AbortSignal
}

/** Throws RangeError where the list of jobs is too long, FedsamError MessagingUnreachable where the first connection fails. */
export async function connectSite(
  { bus: url }: Pick<Federation, 'bus'>,
  { nkeySeed, way: { ca, proxy }, jobs, ...others }: ConnectOptions,
): Promise<MessageBus> {
  const list = encodeJobList(jobs)
  return connectWebSocket({
    ...others,
    url,
    credentials: { user: SITE_USER, nkeySeed, password: () => list },
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(proxy === undefined ? {} : { proxy }),
  })
}
