// The operator at work: keeps a cache of FederatedJobs and what they became, and for each that changed observes, decides, acts.
// Knows nothing of elections: it works from `lead` on, through a client that writes only while it may.
import { KIND } from '#protocol/api.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { Settings } from '../objects/settings.ts'
import { type Cache, startCache } from './cache/cache.ts'
import { openOwnWrites } from './pass/own-writes.ts'
import { openPass } from './pass/pass.ts'
import { openQueue, type QueueMeter, type WorkQueue } from './pass/queue.ts'

/** What happened, for the log. */
export interface Report {
  readonly error: unknown
  /** namespace/name of a FederatedJob, and its uid where it is known. */
  readonly key?: string
  readonly uid?: string
  /** How often in a row. */
  readonly attempt?: number
  /** Path of a watch. */
  readonly watch?: string
}

export interface ControllerOptions {
  readonly settings: Settings
  /** The namespaces that are watched; all where there are none. */
  readonly namespaces: readonly string[]
  readonly workers: number
  /** How often every job is looked at though nothing changed. */
  readonly resyncSeconds: number
  readonly report: (report: Report) => void
  readonly now: () => number
  readonly meter?: QueueMeter
}

export interface Controller {
  readonly cache: Cache
  readonly queue: Pick<WorkQueue, 'depth' | 'running'>
  /** Begins to act; until then it only watches. */
  lead(): void
  /** Takes nothing more on, lets what goes on end within `graceMs` or aborts it; then ends the watches. */
  stop(graceMs: number): Promise<void>
}

/** A look that takes longer has failed. */
const DEADLINE_MS = 60_000

export function startController(client: KubernetesClient, options: ControllerOptions): Controller {
  const { settings, namespaces, workers, resyncSeconds, report, now, meter } = options
  const stop = new AbortController()
  const queue = openQueue((job, signal) => pass(job, signal), {
    workers,
    deadlineMs: DEADLINE_MS,
    onError: (key, error, attempt) =>
      report({ error, key, attempt, uid: cache.get(KIND, key)?.metadata.uid ?? '' }),
    ...(meter ? { meter } : {}),
  })
  const cache = startCache(client, {
    namespaces,
    changed: (job, listed) => queue.add(job, listed),
    onError: (watch, error) => report({ error, watch }),
    signal: stop.signal,
  })
  const ownWrites = openOwnWrites(cache, () => performance.now())
  const pass = openPass(client, { cache, ownWrites }, { settings, now })
  const resync = setInterval(
    () => {
      for (const { metadata } of cache.jobs()) queue.add(`${metadata.namespace}/${metadata.name}`, true)
    },
    resyncSeconds * 1000 * (0.9 + Math.random() / 5),
  )
  return {
    cache,
    queue,
    lead: queue.start,
    async stop(graceMs) {
      clearInterval(resync)
      await queue.stop(graceMs)
      stop.abort()
      await cache.done
    },
  }
}
