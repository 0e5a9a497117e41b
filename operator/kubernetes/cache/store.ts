// The objects of one kind as a reflector delivers them, indexed by key and by the FederatedJob that they concern, so
// that the objects of one job are found without a search. Every change names the jobs that it concerns.

import { KIND } from '#protocol/api.ts'
import { JOB_LABEL } from '#protocol/labels.ts'
import type { Follower, RawObject } from '#transport/kubernetes/reflector.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import { apiVersionOf } from '../client/resources.ts'
import { trim } from './trim.ts'
import { compareVersions } from './versions.ts'

/** The objects that one reflector has delivered. */
export interface Store extends Follower {
  /** The object with this key, namespace/name. */
  get(key: string): KubernetesObject | undefined
  /** All objects that concern the FederatedJob with this key. */
  ofJob(job: string): KubernetesObject[]
  all(): IterableIterator<KubernetesObject>
  /** Whether the first list is complete. */
  isSynced(): boolean
  /** Whether every change up to this version was delivered. */
  hasReached(version: string): boolean
}

export interface StoreOptions {
  /** An object that concerns this job has changed. `listed`: a list showed it, so nobody waits for the job. */
  readonly changed: (job: string, listed: boolean) => void
  /** An object was added or replaced. */
  readonly put?: (object: KubernetesObject) => void
  readonly removed?: (object: KubernetesObject) => void
}

export function openStore(kind: string, { changed, put, removed }: StoreOptions): Store {
  const apiVersion = apiVersionOf(kind)
  const objects = new Map<string, KubernetesObject>()
  const index = openIndex()
  /** Keys in the pages of the list that is under way. */
  let seen = new Set<string>()
  let synced = false
  let reachedVersion = '0'

  const set = (raw: RawObject, listed: boolean): void => {
    const object = trim(kind, apiVersion, raw)
    const key = keyOf(object)
    const before = objects.get(key)
    if (before && before.metadata.resourceVersion === object.metadata.resourceVersion) return
    if (before) index.remove(before)
    objects.set(key, object)
    index.add(object)
    put?.(object)
    for (const job of new Set([...jobsOf(object), ...(before ? jobsOf(before) : [])])) changed(job, listed)
  }
  const drop = (key: string): void => {
    const before = objects.get(key)
    if (!before) return
    index.remove(before)
    objects.delete(key)
    removed?.(before)
    for (const job of jobsOf(before)) changed(job, false)
  }
  const reached = (version: string): void => {
    if (compareVersions(version, reachedVersion) > 0) reachedVersion = version
  }
  return {
    listing() {
      seen = new Set()
    },
    page(items) {
      for (const item of items) {
        seen.add(keyOf(item))
        set(item, true)
      }
    },
    listed(version) {
      for (const key of [...objects.keys()]) if (!seen.has(key)) drop(key)
      seen = new Set()
      reached(version)
      synced = true
    },
    changed: (item) => set(item, false),
    deleted: (item) => drop(keyOf(item)),
    reached,
    get: (key) => objects.get(key),
    ofJob: (job) => index.keysOf(job).map((key) => objects.get(key)!),
    all: () => objects.values(),
    isSynced: () => synced,
    hasReached: (version) => compareVersions(reachedVersion, version) >= 0,
  }
}

/** Keys of objects by the FederatedJobs that they concern. A job without objects takes no memory. */
function openIndex() {
  const byJob = new Map<string, Set<string>>()
  return {
    add(object: KubernetesObject): void {
      for (const job of jobsOf(object)) {
        const keys = byJob.get(job) ?? new Set()
        byJob.set(job, keys.add(keyOf(object)))
      }
    },
    remove(object: KubernetesObject): void {
      for (const job of jobsOf(object)) {
        const keys = byJob.get(job)
        keys?.delete(keyOf(object))
        if (keys?.size === 0) byJob.delete(job)
      }
    },
    keysOf: (job: string): string[] => [...(byJob.get(job) ?? [])],
  }
}

/** namespace/name */
export function keyOf({ metadata }: Pick<RawObject, 'metadata'> | KubernetesObject): string {
  return `${metadata.namespace}/${metadata.name}`
}

/** The FederatedJobs that an object concerns: itself, or those that its label and its owners name. Usually one. */
export function jobsOf(object: KubernetesObject): string[] {
  if (object.kind === KIND) return [keyOf(object)]
  const { namespace, labels, ownerReferences = [] } = object.metadata
  const owners = ownerReferences.filter(({ kind }) => kind === KIND).map(({ name }) => name)
  const label = labels?.[JOB_LABEL]
  const names = new Set(label === undefined ? owners : [label, ...owners])
  return [...names].map((name) => `${namespace}/${name}`)
}
