// The difference between the wanted children and the observed ones: which are created, applied, replaced, deleted, or
// left alone.
//
//   observed under the child's name        decision
//   ------------------------------------   ------------------------------------------------------------
//   nothing                                create it whole; the API server refuses if the name is taken
//   an object of another owner             conflict: the operator writes nothing and reports the object
//   ours, being deleted                    wait: the replacement is created when the old one is gone
//   ours, a Job of an older revision       replace: delete by uid, then create
//   ours, a Job that ended                 replace after a pause, as the next attempt
//   ours, any other                        apply where a field differs; the uid protects another object of the name
//   ours, and no longer wanted             delete
//
// An object without our owner reference is never adopted. A user may have created it on purpose, and adopting it
// would give the garbage collector the right to delete it. An object of an earlier FederatedJob with the same name is
// another owner's, too: the owner reference holds the uid. A Job's template is immutable, so apply writes only a
// Job's metadata and spec.suspend. Pure.

import { QUEUE_LABEL } from '#protocol/labels.ts'
import { isOwned } from '../objects/labels.ts'
import type { KubernetesObject, StoredJob } from '../objects/shapes.ts'
import type { ChildWrite } from './contract.ts'
import { nextAttempt, recreatedAt } from './lifecycle/recreate.ts'
import { isOutdated } from './lifecycle/revision.ts'

interface Writes {
  readonly writes: readonly ChildWrite[]
  /** Objects that have the name of a child and another owner. */
  readonly conflicts: readonly KubernetesObject[]
  /** When ended Jobs are due to be recreated, in milliseconds since 1970. */
  readonly until: readonly number[]
}

/**
 * The writes that turn the observed children into the wanted ones; none where they agree. `now` in milliseconds since
 * 1970.
 */
export function childWrites(
  job: StoredJob,
  wanted: readonly KubernetesObject[],
  observed: readonly KubernetesObject[],
  now: number,
): Writes {
  const stored = new Map(observed.map((object) => [keyOf(object), object]))
  const conflicts: KubernetesObject[] = []
  const until: number[] = []
  const writes = wanted.flatMap((object): ChildWrite[] => {
    const there = stored.get(keyOf(object))
    if (!there) return [{ kind: 'Create', object: asCreated(object) }]
    if (!isOwned(job, there.metadata)) {
      conflicts.push(there)
      return []
    }
    if (there.metadata.deletionTimestamp) return []
    if (there.kind !== 'Job') return application(there, object)
    if (isOutdated(there, object)) return replacement(there, object)
    const at = recreatedAt(there)
    if (at === undefined) return application(there, mutablePart(object, there))
    if (at <= now) return replacement(there, nextAttempt(object, there))
    until.push(at)
    return []
  })
  return { writes: [...writes, ...prunes(job, wanted, observed)], conflicts, until }
}

/** The uid makes the API server refuse the write, where another object has taken the name since it was observed. */
function application(there: KubernetesObject, object: KubernetesObject): ChildWrite[] {
  if (covers(there, object)) return []
  const { uid } = there.metadata
  const metadata = uid === undefined ? object.metadata : { ...object.metadata, uid }
  return [{ kind: 'Apply', object: { ...object, metadata } }]
}

function replacement(there: KubernetesObject, next: KubernetesObject): ChildWrite[] {
  return [
    { kind: 'Delete', object: there },
    { kind: 'Create', object: asCreated(next) },
  ]
}

/** A queue decides when its Jobs start, so they are created suspended. */
function asCreated(object: KubernetesObject): KubernetesObject {
  return isQueued(object) && object.kind === 'Job'
    ? { ...object, spec: { ...object.spec, suspend: true } }
    : object
}

function isQueued({ metadata }: KubernetesObject): boolean {
  return QUEUE_LABEL in (metadata.labels ?? {})
}

function prunes(
  job: StoredJob,
  wanted: readonly KubernetesObject[],
  observed: readonly KubernetesObject[],
): ChildWrite[] {
  const keys = new Set(wanted.map(keyOf))
  const unwanted = observed.filter(
    (object) =>
      !keys.has(keyOf(object)) && isOwned(job, object.metadata) && !object.metadata.deletionTimestamp,
  )
  return unwanted.map((object) => ({ kind: 'Delete', object }))
}

/**
 * The part of a Job that apply may write. With a queue's label only the queue lifts `suspend`, so the operator only ever sets it. A
 * `suspend` that is set stays applied: server-side apply resets a field to false when its only manager stops applying it.
 */
function mutablePart(object: KubernetesObject, there: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata, spec } = object
  const queued = isQueued(object)
  const suspend = spec?.suspend === true || (queued && there.spec?.suspend === true)
  return { apiVersion, kind, metadata, spec: queued && !suspend ? {} : { suspend } }
}

function keyOf({ kind, metadata }: KubernetesObject): string {
  return `${kind}/${metadata.name}`
}

/** Whether `there` has every field of `wanted` with the same value. Fields that the API server adds do not count. */
export function covers(there: unknown, wanted: unknown): boolean {
  // The API server drops an empty list.
  if (Array.isArray(wanted)) {
    const list = there ?? []
    return (
      Array.isArray(list) && list.length === wanted.length && wanted.every((item, i) => covers(list[i], item))
    )
  }
  if (typeof wanted !== 'object' || wanted === null) return there === wanted
  if (Object.keys(wanted).length === 0) return true // an empty map asks for nothing, and the API server drops it
  if (typeof there !== 'object' || there === null) return false
  return Object.entries(wanted).every(([key, value]) =>
    covers((there as Record<string, unknown>)[key], value),
  )
}
