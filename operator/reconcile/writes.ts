// The difference between the children that should be and those that are: what is created, applied, deleted, left alone. A Job's
// template is immutable, so a Job is created whole once, and later only its metadata and its suspension are applied.
import { isOwned, QUEUE_LABEL } from '../objects/labels.ts'
import type { KubernetesObject, StoredJob } from '../objects/shapes.ts'
import type { ChildWrite } from './contract.ts'
import { renewalAt, renewed } from './lifecycle/recreate.ts'
import { isOutdated } from './lifecycle/revision.ts'

interface Writes {
  readonly writes: readonly ChildWrite[]
  /** Objects of somebody else under the name of a child. */
  readonly conflicts: readonly KubernetesObject[]
  /** When to look again, in milliseconds since 1970: a Job that ended is made anew. */
  readonly until: readonly number[]
}

/** What turns the observed children into the wanted ones; nothing where they agree. `now` in milliseconds since 1970. */
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
    if (!there) return [{ kind: 'Create', object: born(object) }]
    if (!isOwned(job, there.metadata)) {
      conflicts.push(there)
      return []
    }
    // On its way out: what replaces it is made when it is gone.
    if (there.metadata.deletionTimestamp) return []
    if (there.kind !== 'Job') return application(there, object)
    if (isOutdated(there, object)) return replacement(there, object)
    const at = renewalAt(there)
    if (at === undefined) return application(there, mutablePart(object, there))
    if (at <= now) return replacement(there, renewed(object, there))
    until.push(at)
    return []
  })
  return { writes: [...writes, ...prunes(job, wanted, observed)], conflicts, until }
}

/** The uid says which object was looked at: another one of the same name is not written over. */
function application(there: KubernetesObject, object: KubernetesObject): ChildWrite[] {
  if (covers(there, object)) return []
  const { uid } = there.metadata
  const metadata = uid === undefined ? object.metadata : { ...object.metadata, uid }
  return [{ kind: 'Apply', object: { ...object, metadata } }]
}

function replacement(there: KubernetesObject, next: KubernetesObject): ChildWrite[] {
  return [
    { kind: 'Delete', object: there },
    { kind: 'Create', object: born(next) },
  ]
}

/** A queue decides when its Jobs begin: they are born suspended. */
function born(object: KubernetesObject): KubernetesObject {
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
 * With a queue's label `suspend` is the queue's to lift, so it is only ever set. One that is set stays applied: a field that its
 * only owner no longer applies would fall back to false.
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

/** Whether every field of `wanted` is in `there` with the same value; what the API server adds does not count. */
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
