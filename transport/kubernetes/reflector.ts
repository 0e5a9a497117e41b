// Keeps a follower up to date with all objects of a kind: a consistent list in pages, then a watch
// (watch.ts), which asks for a new list only where the API server has dropped the history since
// the last one.
import type { Clock } from '#runtime/clock.ts'
import type { KubernetesClient } from './calls.ts'
import { watch } from './watch.ts'

type Json = Readonly<Record<string, unknown>>

/** An object as the API server sends it. */
export type RawObject = Json & {
  readonly metadata: Json & {
    readonly name?: string
    readonly namespace?: string
    readonly resourceVersion?: string
  }
}

/** Receives what one reflector reads. Its calls come one after another. */
export interface Follower {
  /** A list begins. A list that began earlier and did not end does not count. */
  listing(): void
  /** One page of the list. */
  page(objects: readonly RawObject[]): void
  /** The list is complete: an object that was in no page does not exist. */
  listed(version: string): void
  changed(object: RawObject): void
  deleted(object: RawObject): void
  /** Every change up to this version was delivered. */
  reached(version: string): void
}

export interface ReflectorOptions {
  /** Path of the list. */
  readonly path: string
  /** Label or field selector as a query: labelSelector=… */
  readonly selector?: string
  readonly follower: Follower
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
  /** Seconds without a line after which a watch counts as dead; absent for kinds without bookmarks. */
  readonly quietSeconds?: number
  readonly clock?: Clock
  /** Returns a number in [0, 1). */
  readonly random?: () => number
}

interface Page {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly RawObject[]
}

/** Objects in a page of a list: as many as client-go asks for. */
const PAGE = 500

/** Runs until the signal aborts. */
export function reflect(
  client: Pick<KubernetesClient, 'call' | 'lines'>,
  options: ReflectorOptions,
): Promise<void> {
  const { follower, ...rest } = options
  const { changed, deleted, reached } = follower
  const read = (): Promise<string> => list(client, options)
  return watch<RawObject>(client, { ...rest, handler: { read, changed, deleted, reached } })
}

/** Without a resourceVersion: the newest there is, so that a cache never goes back in time. */
async function list(client: Pick<KubernetesClient, 'call'>, options: ReflectorOptions): Promise<string> {
  const { path, selector, follower, signal } = options
  let next = ''
  follower.listing()
  do {
    const query = [selector, `limit=${PAGE}`, next && `continue=${encodeURIComponent(next)}`].filter(Boolean)
    const page = await client.call<Page>({ method: 'GET', path: `${path}?${query.join('&')}`, signal })
    follower.page(page.items)
    next = page.metadata.continue ?? ''
    if (next === '') {
      follower.listed(page.metadata.resourceVersion)
      return page.metadata.resourceVersion
    }
  } while (!signal.aborted)
  throw signal.reason
}
