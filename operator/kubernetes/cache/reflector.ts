// Keeps somebody told of all objects of a kind: a consistent list in pages, then a watch that goes on where the last one ended
// (bookmarks move it on while nothing changes). A version that is gone (410) means a list again; every other failure a pause and
// the same watch again. A server that ends watches at once is not asked in a loop.
import { setTimeout as sleep } from 'node:timers/promises'
import { pauseAfter } from '#runtime/backoff.ts'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { Json } from '../../objects/shapes.ts'

/** An object as the API server sends it. */
export type RawObject = Json & {
  readonly metadata: Json & {
    readonly name?: string
    readonly namespace?: string
    readonly resourceVersion?: string
  }
}

/** Who is told. Of one reflector the calls come one after another. */
export interface Follower {
  /** A list begins; one that began before and did not end counts for nothing. */
  listing(): void
  /** One page of it. */
  page(objects: readonly RawObject[]): void
  /** The list is whole: what was in no page is no more. */
  listed(version: string): void
  changed(object: RawObject): void
  deleted(object: RawObject): void
  /** All up to this version has been told. */
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
  /** A watch that is silent for longer is dead; absent: as long as a watch may last, for kinds without bookmarks. */
  readonly quietSeconds?: number
  /** In [0, 1). */
  readonly random?: () => number
  /** Waits between two watches; in tests, without waiting. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

interface Notice {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: RawObject & { readonly code?: number; readonly reason?: string; readonly message?: string }
}

interface Page {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly RawObject[]
}

const PAGE = 500
/** Seconds between two watches that fail. */
const BACKOFF = { first: 0.8, longest: 30 }
/** A watch that lasted so long was a good one. */
const GOOD_MS = 10_000

/** Runs until the signal says stop. */
export async function reflect(client: KubernetesClient, options: ReflectorOptions): Promise<void> {
  const { signal, onError, random = Math.random, pause = sleepUntilAborted } = options
  const state: { version?: string } = {}
  let failures = 0
  while (!signal.aborted) {
    const begun = performance.now()
    try {
      state.version ??= await list(client, options)
      await follow(client, options, state as { version: string }, random)
    } catch (error) {
      if (signal.aborted) return
      if (isGone(error)) delete state.version
      onError(error)
    }
    failures = performance.now() - begun > GOOD_MS ? 0 : failures + 1
    await pause(1000 * pauseAfter(failures, BACKOFF, random()), signal)
  }
}

async function sleepUntilAborted(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {})
}

/** Without a resourceVersion: the newest there is, so that a cache never goes back in time. */
async function list(client: KubernetesClient, options: ReflectorOptions): Promise<string> {
  const { path, selector, follower, signal } = options
  let next = ''
  follower.listing()
  do {
    const query = [selector, `limit=${PAGE}`, next && `continue=${encodeURIComponent(next)}`].filter(Boolean)
    const page = await client.call<Page>({ method: 'GET', path: `${path}?${query.join('&')}`, signal })
    follower.page(page.items)
    next = page.metadata.continue ?? ''
    if (next === '') follower.listed(page.metadata.resourceVersion)
    if (next === '') return page.metadata.resourceVersion
  } while (!signal.aborted)
  throw signal.reason
}

async function follow(
  client: KubernetesClient,
  { path, selector, follower, signal, quietSeconds }: ReflectorOptions,
  state: { version: string },
  random: () => number,
): Promise<void> {
  // Between 5 and 10 minutes, so that watches that began together do not end together.
  const seconds = Math.round(300 * (1 + random()))
  const terms = [
    selector,
    'watch=true&allowWatchBookmarks=true',
    `timeoutSeconds=${seconds}&resourceVersion=${state.version}`,
  ]
  const call = { path: `${path}?${terms.filter(Boolean).join('&')}`, signal }
  for await (const notice of client.lines<Notice>(call, quietSeconds ?? seconds + 30)) {
    state.version = tell(follower, notice) ?? state.version
  }
}

/** Returns the version that is reached. */
function tell(follower: Follower, { type, object }: Notice): string | undefined {
  if (type === 'ERROR')
    throw new ApiError(object.code ?? 0, object.reason ?? '', object.message ?? 'watch ended')
  if (type === 'DELETED') follower.deleted(object)
  else if (type !== 'BOOKMARK') follower.changed(object)
  const version = object.metadata.resourceVersion
  if (version !== undefined) follower.reached(version)
  return version
}

function isGone(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 410 || ['Expired', 'Gone'].includes(error.reason))
}
