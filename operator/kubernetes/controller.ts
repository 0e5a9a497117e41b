// The operator at work: watches FederatedJobs and what they became, and for each that changed observes, decides, acts. One replica:
// two do the same twice, which is safe, since names are computed and every write is repeatable.

import type { KubernetesClient } from '#transport/kubernetes.ts'
import { JOB_LABEL } from '../reconcile/labels.ts'
import type { Metadata, Settings } from '../reconcile/objects.ts'
import { reconcile } from '../reconcile/reconcile.ts'
import { act } from './act.ts'
import { observe } from './observe.ts'
import { startQueue } from './queue.ts'
import { watch } from './watch.ts'

export interface ControllerOptions {
  readonly settings: Settings
  /** One namespace; all where absent. */
  readonly namespace?: string
  readonly log: (line: string) => void
  readonly now: () => number
  readonly signal: AbortSignal
}

export interface Controller {
  /** Whether every watch has its first list. */
  isSynced(): boolean
  /** Resolves when the signal was given and the passes under way are done. */
  readonly done: Promise<void>
}

export function startController(client: KubernetesClient, options: ControllerOptions): Controller {
  const { settings, log, now, signal } = options
  const work = async (key: string): Promise<void> => {
    const [namespace, name] = key.split('/') as [string, string]
    const observed = await observe(client, { namespace, name }, { settings, now: now() })
    if (!observed) return
    const desired = reconcile(observed)
    await act(client, observed.job, desired, new Date(now()))
    if (desired.requeueAfterSeconds !== undefined) queue.add(key, desired.requeueAfterSeconds)
  }
  const onError = (key: string, error: unknown): void => log(`${key}: ${error}`)
  const queue = startQueue(work, { workers: 4, onError })
  const scope = options.namespace === undefined ? '' : `/namespaces/${options.namespace}`
  const note = (name: string | undefined, { namespace }: Metadata): void => {
    if (name !== undefined) queue.add(`${namespace}/${name}`)
  }
  const ofChild = (metadata: Metadata): void => note(metadata.labels?.[JOB_LABEL], metadata)
  const sources: readonly (readonly [string, (metadata: Metadata) => void])[] = [
    [`/apis/fedsam.dev/v1alpha1${scope}/federatedjobs`, (metadata) => note(metadata.name, metadata)],
    [`/apis/batch/v1${scope}/jobs`, ofChild],
    [`/api/v1${scope}/pods`, ofChild],
  ]
  const unsynced = new Set(sources.map(([path]) => path))
  const watches = sources.map(([path, changed]) =>
    watch(client, {
      path,
      changed,
      listed: () => unsynced.delete(path),
      onError: (error) => log(`watch of ${path}: ${error}`),
      signal,
    }),
  )
  const done = Promise.all(watches).then(() => queue.stop())
  return { isSynced: () => unsynced.size === 0, done }
}
