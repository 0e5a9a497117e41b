// What the operator knows of the cluster, kept by watches: FederatedJobs, their children, their pods, the warnings about their pods
// and about Jobs whose pods cannot be created. The API server filters children by the label that each carries. Read by one job at
// a time, in the size of that job.

import { KIND, OPERATOR_NAME } from '#protocol/api.ts'
import { MANAGED_BY_LABEL, selectorOf } from '#protocol/labels.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { createdAt, FAILED_CREATE } from '../../reconcile/problems/creation-problem.ts'
import { CHILD_KINDS, pathOf } from '../client/resources.ts'
import { type Follower, reflect } from './reflector.ts'
import { jobsOf, openStore, type Store, type StoreOptions } from './store.ts'
import { openWarnings, type Warnings } from './warnings.ts'

const OURS = `labelSelector=${encodeURIComponent(selectorOf({ [MANAGED_BY_LABEL]: OPERATOR_NAME }))}`
/** Which events are watched, by the kind of the object that they are about. */
const WARNINGS: Readonly<Record<string, string>> = {
  Pod: 'type=Warning,regarding.kind=Pod',
  Job: `type=Warning,regarding.kind=Job,reason=${FAILED_CREATE}`,
}
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
  /** About these objects; empty for kinds without warnings. */
  warningsOf(objects: readonly KubernetesObject[]): Warning[]
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
    all.every(({ stores, warnings }) => [...stores.values(), ...warnings.values()].every((s) => s.isSynced()))
  return {
    get: (kind, key) => of(key).stores.get(kind)?.get(key),
    childrenOf: (job) => Object.keys(CHILD_KINDS).flatMap((kind) => of(job).stores.get(kind)!.ofJob(job)),
    podsOf: (job) => of(job).stores.get('Pod')!.ofJob(job),
    warningsOf: (objects) =>
      objects.flatMap((object) => [
        ...(of(`${object.metadata.namespace}/`).warnings.get(object.kind)?.of(object) ?? []),
      ]),
    hasReached: (kind, namespace, version) => of(`${namespace}/`).stores.get(kind)!.hasReached(version),
    *jobs() {
      for (const { stores } of all) yield* stores.get(KIND)!.all()
    },
    isSynced,
    synced: whole.promise,
    done: Promise.all(all.map(({ done }) => done)).then(() => {}),
  }
}

/** One namespace, or all of them. */
interface World {
  readonly stores: ReadonlyMap<string, Store>
  readonly warnings: ReadonlyMap<string, Warnings>
  readonly done: Promise<unknown>
}

function startWorld(
  client: KubernetesClient,
  namespace: string | undefined,
  { changed, onError, signal, listed }: CacheOptions & { readonly listed: () => void },
): World {
  const said = (object: KubernetesObject): void => {
    for (const job of jobsOf(object)) changed(job, false)
  }
  const warnings = new Map(Object.keys(WARNINGS).map((kind) => [kind, openWarnings(said)]))
  const kinds = [KIND, ...Object.keys(CHILD_KINDS), 'Pod']
  const stores = new Map(kinds.map((kind) => [kind, openStore(kind, optionsFor(kind, changed, warnings))]))
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
      ...(kind === KIND ? {} : { selector: OURS }),
      quietSeconds: QUIET_SECONDS,
    }),
  )
  // Of events the API server keeps no watch cache, so there are no bookmarks.
  const ofEvents = [...warnings].map(([kind, follower]) =>
    watch('Event', follower, { selector: `fieldSelector=${encodeURIComponent(WARNINGS[kind]!)}` }),
  )
  return { stores, warnings, done: Promise.all([...watches, ...ofEvents]) }
}

/** The warnings about an object come and go with it; a pod ends those about its Job, which could not create it before. */
function optionsFor(
  kind: string,
  changed: CacheOptions['changed'],
  warnings: ReadonlyMap<string, Warnings>,
): StoreOptions {
  const own = warnings.get(kind)
  if (!own) return { changed }
  const put = (object: KubernetesObject): void => {
    own.adopt(object)
    for (const { kind: owner, uid } of object.metadata.ownerReferences ?? [])
      warnings.get(owner)?.cured(uid, createdAt(object))
  }
  return { changed, put, removed: own.forget }
}
