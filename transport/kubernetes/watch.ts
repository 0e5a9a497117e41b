// Follows objects of the Kubernetes API: reads them once, then watches from the version that was read. Each watch resumes at the
// version that the last one reached; bookmarks advance it while nothing changes. Guarantees: a version that the server has dropped
// (410) leads to a new read; every other failure leads to a pause and the same watch; no server is asked in a tight loop. The
// caller reads the objects and keeps them.
import { pauseAfter } from '#runtime/backoff.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { ApiError, type KubernetesClient } from './calls.ts'

/** The part of an object that a watch reads. */
export interface Versioned {
  readonly metadata: { readonly resourceVersion?: string }
}

/** Receives the objects. Calls for one watch come one after another; an error that one of them throws goes to `onError`. */
export interface WatchHandler<T extends Versioned> {
  /** Reads every object. Resolves to the version of the answer, from which the watch starts. */
  read(): Promise<string>
  /** An object was created or changed. */
  changed(object: T): void
  deleted(object: T): void
  /** Every change up to this version was delivered. */
  reached(version: string): void
}

interface WatchOptions<T extends Versioned> {
  /** Path of the collection. */
  readonly path: string
  /** Label or field selector as a query: labelSelector=… */
  readonly selector?: string
  readonly handler: WatchHandler<T>
  /** Receives every failure. What it throws ends the watch. */
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
  /**
   * Seconds without a line after which a connection counts as dead. Absent: as long as a watch may last, for kinds without
   * bookmarks.
   */
  readonly quietSeconds?: number
  readonly clock?: Clock
  /** Returns a number in [0, 1). */
  readonly random?: () => number
}

interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: T
}

/** The object of an ERROR event. */
interface Status {
  readonly code?: number
  readonly reason?: string
  readonly message?: string
}

/** Seconds between two tries. */
const BACKOFF = { first: 0.8, longest: 30 }
/** Seconds after which a try counts as a success, however it ended. */
const LONG_TRY_SECONDS = 10
/** Seconds of a watch at least. The server ends it after up to twice as many, so that watches that began together end apart. */
const WATCH_SECONDS = 300
/** Seconds that a server may take longer to end a watch. */
const LATE_SECONDS = 30

/** Watches until the signal aborts. Throws what `onError` throws. */
export async function watch<T extends Versioned>(
  client: Pick<KubernetesClient, 'lines'>,
  options: WatchOptions<T>,
): Promise<void> {
  const { handler, signal, onError, random = Math.random, clock = systemClock() } = options
  const state: { version?: string } = {}
  let failures = 0
  while (!signal.aborted) {
    const began = clock.now()
    try {
      state.version ??= await handler.read()
      await watchOnce(client, { ...options, random }, state as { version: string })
    } catch (error) {
      if (signal.aborted) return
      if (isGone(error)) delete state.version
      onError(error)
    }
    failures = clock.now() - began > LONG_TRY_SECONDS ? 0 : failures + 1
    await clock.sleep(pauseAfter(failures, BACKOFF, random()), signal)
  }
}

/** One watch from the version of the state until the server ends it. Advances the state. */
async function watchOnce<T extends Versioned>(
  client: Pick<KubernetesClient, 'lines'>,
  {
    path,
    selector,
    handler,
    signal,
    quietSeconds,
    random,
  }: WatchOptions<T> & { readonly random: () => number },
  state: { version: string },
): Promise<void> {
  const seconds = Math.round(WATCH_SECONDS * (1 + random()))
  const terms = [
    selector,
    'watch=true&allowWatchBookmarks=true',
    `timeoutSeconds=${seconds}&resourceVersion=${state.version}`,
  ]
  const call = { path: `${path}?${terms.filter(Boolean).join('&')}`, signal }
  for await (const event of client.lines<WatchEvent<T>>(call, quietSeconds ?? seconds + LATE_SECONDS)) {
    state.version = deliver(handler, event) ?? state.version
  }
}

/** Returns the version that is reached. Throws ApiError for an ERROR event. */
function deliver<T extends Versioned>(
  handler: WatchHandler<T>,
  { type, object }: WatchEvent<T>,
): string | undefined {
  if (type === 'ERROR') {
    const { code = 0, reason = '', message = 'the server ended the watch with an error' } = object as Status
    throw new ApiError(code, reason, message)
  }
  if (type === 'DELETED') handler.deleted(object)
  else if (type !== 'BOOKMARK') handler.changed(object)
  const version = object.metadata.resourceVersion
  if (version !== undefined) handler.reached(version)
  return version
}

function isGone(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 410 || ['Expired', 'Gone'].includes(error.reason))
}
