// The cache: FederatedJobs, their children, their pods, and the warnings about their pods and Jobs, kept up to date
// by watches. The API server filters children and pods by their label, so the cache holds no objects of others. A
// pass reads the objects of one job.
import { KIND, OPERATOR_NAME } from '#protocol/api.ts'
import { MANAGED_BY_LABEL, selectorOf } from '#protocol/labels.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { type Follower, reflect } from '#transport/kubernetes/reflector.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { createdAt, FAILED_CREATE } from '../../reconcile/problems/creation-problem.ts'
import { CHILD_KINDS, pathOf } from '../client/resources.ts'
import { jobsOf, openStore, type Store, type StoreOptions } from './store.ts'
import { openWarnings, type Warnings } from './warnings.ts'

/** Selects children and pods: each has this label (operator/objects/labels.ts). */
const OURS = `labelSelector=${encodeURIComponent(selectorOf({ [MANAGED_BY_LABEL]: OPERATOR_NAME }))}`
/** Field selectors of the watched events, by the kind of the object that they concern. */
const WARNINGS: Readonly<Record<string, string>> = {
  Pod: 'type=Warning,regarding.kind=Pod',
  Job: `type=Warning,regarding.kind=Job,reason=${FAILED_CREATE}`,
}
/**
 * Seconds of silence after which a watch counts as dead. The API server sends a bookmark every minute, so two were
 * missed.
 */
const QUIET_SECONDS = 150

export interface CacheOptions {
  /** The watched namespaces; empty: all. */
  readonly namespaces: readonly string[]
  /**
   * The FederatedJob with this key, namespace/name, is due for a pass. `listed`: a list showed it, so nobody waits
   * for it.
   */
  readonly changed: (job: string, listed: boolean) => void
  readonly onError: (path: string, error: unknown) => void
  readonly signal: AbortSignal
}

export interface Cache {
  /**
   * The object of a watched kind with this key, namespace/name. Throws RangeError for a namespace that is not
   * watched.
   */
  get(kind: string, key: string): KubernetesObject | undefined
  childrenOf(job: string): KubernetesObject[]
  podsOf(job: string): KubernetesObject[]
  /** The warnings about these objects, oldest first for each. Only pods and Jobs have warnings. */
  warningsOf(objects: readonly KubernetesObject[]): Warning[]
  /** Whether every change of this kind in this namespace up to this version was delivered. */
  hasReached(kind: string, namespace: string, version: string): boolean
  /** Every FederatedJob. */
  jobs(): IterableIterator<KubernetesObject>
  isSynced(): boolean
  /** Resolves when every first list is complete. */
  readonly synced: Promise<void>
  /** Resolves when the signal has aborted and all watches have ended. */
  readonly done: Promise<void>
}

/** Starts the watches at once. */
export function startCache(client: KubernetesClient, options: CacheOptions): Cache {
  const whole = Promise.withResolvers<void>()
  const scopes = options.namespaces.length === 0 ? [undefined] : options.namespaces
  const listed = (): void => {
    if (isSynced()) whole.resolve()
  }
  const byNamespace = new Map(
    scopes.map((namespace) => [namespace, startScope(client, namespace, { ...options, listed })]),
  )
  const of = (key: string): Scope => {
    const scope = byNamespace.get(undefined) ?? byNamespace.get(key.split('/')[0])
    if (!scope) throw new RangeError(`the namespace of ${key} is not watched`)
    return scope
  }
  const all = [...byNamespace.values()]
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

/** The stores and watches of one namespace, or of all namespaces. */
interface Scope {
  readonly stores: ReadonlyMap<string, Store>
  readonly warnings: ReadonlyMap<string, Warnings>
  readonly done: Promise<unknown>
}

function startScope(
  client: KubernetesClient,
  namespace: string | undefined,
  { changed, onError, signal, listed }: CacheOptions & { readonly listed: () => void },
): Scope {
  const warned = (object: KubernetesObject): void => {
    for (const job of jobsOf(object)) changed(job, false)
  }
  const warnings = new Map(Object.keys(WARNINGS).map((kind) => [kind, openWarnings(warned)]))
  const kinds = [KIND, ...Object.keys(CHILD_KINDS), 'Pod']
  const stores = new Map(kinds.map((kind) => [kind, openStore(kind, optionsFor(kind, changed, warnings))]))
  const watch = (kind: string, follower: Follower, rest: { selector?: string; quietSeconds?: number }) => {
    const path = pathOf(kind, namespace)
    const notifying: Follower = {
      ...follower,
      listed(version) {
        follower.listed(version)
        listed()
      },
    }
    return reflect(client, {
      path,
      follower: notifying,
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
  // The API server keeps no watch cache of events, so their watches get no bookmarks.
  const ofEvents = [...warnings].map(([kind, follower]) =>
    watch('Event', follower, { selector: `fieldSelector=${encodeURIComponent(WARNINGS[kind]!)}` }),
  )
  return { stores, warnings, done: Promise.all([...watches, ...ofEvents]) }
}

/** Warnings are kept as long as their object. A new pod ends the warnings that its Job could not create one. */
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
