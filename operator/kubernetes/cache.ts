// What the operator knows of the cluster, kept by watches: FederatedJobs, their children, their pods and the warnings about these.
// The API server filters by the label that every child carries. Read by one job at a time, in the size of that job.
import type { KubernetesClient } from '#transport/kubernetes.ts'
import type { KubernetesObject, PodEvent } from '../reconcile/objects.ts'
import { openPodEvents } from './pod-events.ts'
import { type Follower, reflect } from './reflector.ts'
import { CHILD_KINDS, pathOf } from './resources.ts'
import { jobsOf, openStore, type Store, type StoreOptions } from './store.ts'

const OURS = `labelSelector=${encodeURIComponent('app.kubernetes.io/managed-by=fedsam-operator')}`
const WARNINGS = `fieldSelector=${encodeURIComponent('type=Warning,regarding.kind=Pod')}`
/** A bookmark comes every minute. */
const QUIET_SECONDS = 150

export interface CacheOptions {
  /** The namespaces that are watched; all where there are none. */
  readonly namespaces: readonly string[]
  /** Look at this FederatedJob, namespace/name, again. `listed`: nobody waits for it. */
  readonly changed: (job: string, listed: boolean) => void
  readonly onError: (path: string, error: unknown) => void
  readonly signal: AbortSignal
}

export interface Cache {
  /** One object; of a kind and a namespace that are watched. */
  get(kind: string, key: string): KubernetesObject | undefined
  childrenOf(job: string): KubernetesObject[]
  podsOf(job: string): KubernetesObject[]
  eventsOf(pods: readonly KubernetesObject[]): PodEvent[]
  /** Whether everything up to this version of this kind was told, in this namespace. */
  hasReached(kind: string, namespace: string, version: string): boolean
  /** Every FederatedJob. */
  jobs(): IterableIterator<KubernetesObject>
  isSynced(): boolean
  /** Resolves when every first list is whole. */
  readonly synced: Promise<void>
  /** Resolves when the signal was given and all watches have ended. */
  readonly done: Promise<void>
}

/** Begins to watch at once. */
export function startCache(client: KubernetesClient, options: CacheOptions): Cache {
  const whole = Promise.withResolvers<void>()
  const scopes = options.namespaces.length === 0 ? [undefined] : options.namespaces
  const listed = (): void => {
    if (isSynced()) whole.resolve()
  }
  const worlds = new Map(
    scopes.map((namespace) => [namespace, startWorld(client, namespace, { ...options, listed })]),
  )
  const of = (key: string): World => {
    const world = worlds.get(undefined) ?? worlds.get(key.split('/')[0])
    if (!world) throw new RangeError(`${key} is in no namespace that is watched`)
    return world
  }
  const all = [...worlds.values()]
  const isSynced = (): boolean =>
    all.every(({ stores, events }) => events.isSynced() && [...stores.values()].every((s) => s.isSynced()))
  return {
    get: (kind, key) => of(key).stores.get(kind)?.get(key),
    childrenOf: (job) => Object.keys(CHILD_KINDS).flatMap((kind) => of(job).stores.get(kind)!.ofJob(job)),
    podsOf: (job) => of(job).stores.get('Pod')!.ofJob(job),
    eventsOf: (pods) => pods.flatMap((pod) => of(`${pod.metadata.namespace}/`).events.of(pod)),
    hasReached: (kind, namespace, version) => of(`${namespace}/`).stores.get(kind)!.hasReached(version),
    *jobs() {
      for (const { stores } of all) yield* stores.get('FederatedJob')!.all()
    },
    isSynced,
    synced: whole.promise,
    done: Promise.all(all.map(({ done }) => done)).then(() => {}),
  }
}

/** One namespace, or all of them. */
interface World {
  readonly stores: ReadonlyMap<string, Store>
  readonly events: ReturnType<typeof openPodEvents>
  readonly done: Promise<unknown>
}

function startWorld(
  client: KubernetesClient,
  namespace: string | undefined,
  { changed, onError, signal, listed }: CacheOptions & { readonly listed: () => void },
): World {
  const events = openPodEvents((pod) => {
    for (const job of jobsOf(pod)) changed(job, false)
  })
  const ofPods: StoreOptions = { changed, put: events.adopt, removed: events.forget }
  const kinds = ['FederatedJob', ...Object.keys(CHILD_KINDS), 'Pod']
  const stores = new Map(kinds.map((kind) => [kind, openStore(kind, kind === 'Pod' ? ofPods : { changed })]))
  const watch = (kind: string, follower: Follower, rest: { selector?: string; quietSeconds?: number }) => {
    const path = pathOf(kind, namespace)
    const told: Follower = {
      ...follower,
      listed(version) {
        follower.listed(version)
        listed()
      },
    }
    return reflect(client, {
      path,
      follower: told,
      signal,
      onError: (error) => onError(path, error),
      ...rest,
    })
  }
  const watches = [...stores].map(([kind, store]) =>
    watch(kind, store, {
      ...(kind === 'FederatedJob' ? {} : { selector: OURS }),
      quietSeconds: QUIET_SECONDS,
    }),
  )
  // Of events the API server keeps no watch cache, so there are no bookmarks.
  return { stores, events, done: Promise.all([...watches, watch('Event', events, { selector: WARNINGS })]) }
}
