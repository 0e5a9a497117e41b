// The objects of one kind, as a reflector tells of them, found by their key and by the FederatedJob that they are of; what a job has
// is looked up, never searched. Every change names the jobs that it concerns.
import { KIND } from '#protocol/api.ts'
import { JOB_LABEL } from '#protocol/labels.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import { apiVersionOf } from '../client/resources.ts'
import type { Follower, RawObject } from './reflector.ts'
import { trim } from './trim.ts'
import { compareVersions } from './versions.ts'

/** What one reflector knows. */
export interface Store extends Follower {
  /** namespace/name */
  get(key: string): KubernetesObject | undefined
  /** All that are of the FederatedJob namespace/name. */
  ofJob(job: string): KubernetesObject[]
  all(): IterableIterator<KubernetesObject>
  /** Whether the first list is whole. */
  isSynced(): boolean
  /** Whether everything up to this version was told. */
  hasReached(version: string): boolean
}

export interface StoreOptions {
  /** Something of this job is not what it was. `listed`: a list says so, and nobody waits for it. */
  readonly changed: (job: string, listed: boolean) => void
  readonly put?: (object: KubernetesObject) => void
  readonly removed?: (object: KubernetesObject) => void
}

export function openStore(kind: string, { changed, put, removed }: StoreOptions): Store {
  const apiVersion = apiVersionOf(kind)
  const objects = new Map<string, KubernetesObject>()
  const byJob = new Map<string, Set<string>>()
  let seen = new Set<string>()
  let synced = false
  let reachedVersion = '0'

  const set = (raw: RawObject, listed: boolean): void => {
    const object = trim(kind, apiVersion, raw)
    const key = keyOf(object)
    const before = objects.get(key)
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion && before) return
    if (before) unlink(before, key)
    objects.set(key, object)
    for (const job of jobsOf(object)) link(job, key)
    put?.(object)
    for (const job of new Set([...jobsOf(object), ...(before ? jobsOf(before) : [])])) changed(job, listed)
  }
  const drop = (key: string): void => {
    const before = objects.get(key)
    if (!before) return
    unlink(before, key)
    objects.delete(key)
    removed?.(before)
    for (const job of jobsOf(before)) changed(job, false)
  }
  const link = (job: string, key: string): void => {
    const keys = byJob.get(job)
    if (keys) keys.add(key)
    else byJob.set(job, new Set([key]))
  }
  const unlink = (object: KubernetesObject, key: string): void => {
    for (const job of jobsOf(object)) {
      const keys = byJob.get(job)
      keys?.delete(key)
      if (keys?.size === 0) byJob.delete(job)
    }
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
    ofJob: (job) => [...(byJob.get(job) ?? [])].map((key) => objects.get(key)!),
    all: () => objects.values(),
    isSynced: () => synced,
    hasReached: (version) => compareVersions(reachedVersion, version) >= 0,
  }
}

/** namespace/name */
export function keyOf({ metadata }: Pick<RawObject, 'metadata'> | KubernetesObject): string {
  return `${metadata.namespace}/${metadata.name}`
}

/** The FederatedJobs that an object concerns: itself, or by its label or its owner. Usually one. */
export function jobsOf(object: KubernetesObject): string[] {
  if (object.kind === KIND) return [keyOf(object)]
  const { namespace, labels, ownerReferences = [] } = object.metadata
  const owners = ownerReferences.filter(({ kind }) => kind === KIND).map(({ name }) => name)
  const label = labels?.[JOB_LABEL]
  const names = new Set(label === undefined ? owners : [label, ...owners])
  return [...names].map((name) => `${namespace}/${name}`)
}
