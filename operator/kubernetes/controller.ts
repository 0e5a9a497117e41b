// Connects cache, queue and passes: an event about a FederatedJob or one of its objects adds the job to the queue,
// and a pass reconciles it. Knows nothing of elections: the passes begin with `lead`, and their client holds back
// writes where it must.
import { KIND } from '#protocol/api.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { Settings } from '../objects/settings.ts'
import { type Cache, startCache } from './cache/cache.ts'
import { openOwnWrites } from './pass/own-writes.ts'
import { openPass } from './pass/pass.ts'
import { type QueueMeter, WorkQueue } from './pass/queue.ts'

/** A failure, for the log. */
export interface Report {
  readonly error: unknown
  /** namespace/name of a FederatedJob, and its uid where it is known. */
  readonly key?: string
  readonly uid?: string
  /** Failed passes over this job in a row. */
  readonly attempt?: number
  /** Path of the watch that failed. */
  readonly watch?: string
}

export interface ControllerOptions {
  readonly settings: Settings
  /** The watched namespaces; empty: all. */
  readonly namespaces: readonly string[]
  /** How many jobs are reconciled at a time. */
  readonly workers: number
  /** The period after which every job is reconciled without an event. */
  readonly resyncSeconds: number
  readonly report: (report: Report) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly meter?: QueueMeter
}

export interface Controller {
  readonly cache: Cache
  readonly queue: Pick<WorkQueue, 'depth' | 'running'>
  /** Starts the passes. Before that the controller only watches. */
  lead(): void
  /** Starts no more passes, aborts active ones after `graceMs`, and then ends the watches. */
  stop(graceMs: number): Promise<void>
}

/**
 * Milliseconds after which a pass has failed. A pass makes tens of calls; one that takes longer waits for a server
 * that is down.
 */
const DEADLINE_MS = 60_000

export function startController(client: KubernetesClient, options: ControllerOptions): Controller {
  const { settings, namespaces, workers, resyncSeconds, report, now, meter } = options
  const stop = new AbortController()
  const queue = new WorkQueue((job, signal) => pass(job, signal), {
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
    // 10 % more or less, so that replicas and restarts do not resync together.
    resyncSeconds * 1000 * (0.9 + Math.random() / 5),
  )
  return {
    cache,
    queue,
    lead: () => queue.start(),
    async stop(graceMs) {
      clearInterval(resync)
      await queue.stop(graceMs)
      stop.abort()
      await cache.done
    },
  }
}
