// The difference between the children that should be and those that are: what is created, applied, deleted, left alone. A Job's
// template is immutable, so a Job is created whole once, and later only its metadata and its suspension are applied.
import { isOwned } from './labels.ts'
import type { ChildWrite, KubernetesObject, StoredJob } from './objects.ts'

interface Writes {
  readonly writes: readonly ChildWrite[]
  /** Objects of somebody else under the name of a child. */
  readonly conflicts: readonly KubernetesObject[]
}

/** What turns the observed children into the wanted ones; nothing where they agree. */
export function childWrites(
  job: StoredJob,
  wanted: readonly KubernetesObject[],
  observed: readonly KubernetesObject[],
): Writes {
  const stored = new Map(observed.map((object) => [keyOf(object), object]))
  const conflicts: KubernetesObject[] = []
  const writes = wanted.flatMap((object): ChildWrite[] => {
    const there = stored.get(keyOf(object))
    if (!there) return [{ kind: 'Create', object }]
    if (!isOwned(job, there.metadata)) {
      conflicts.push(there)
      return []
    }
    // On its way out: what replaces it is made when it is gone.
    if (there.metadata.deletionTimestamp) return []
    const changed = there.kind === 'Job' ? mutablePart(object) : object
    return covers(there, changed) ? [] : [{ kind: 'Apply', object: changed }]
  })
  return { writes: [...writes, ...prunes(job, wanted, observed)], conflicts }
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

/** With a queue's label `suspend` is the queue's to lift: then it is only ever set. */
function mutablePart(object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata, spec } = object
  const queued = 'kueue.x-k8s.io/queue-name' in (metadata.labels ?? {})
  const suspend = spec?.suspend === true
  return { apiVersion, kind, metadata, spec: queued ? {} : { suspend } }
}

function keyOf({ kind, metadata }: KubernetesObject): string {
  return `${kind}/${metadata.name}`
}

/** Whether every field of `wanted` is in `there` with the same value; what the API server adds does not count. */
export function covers(there: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return (
      Array.isArray(there) &&
      there.length === wanted.length &&
      wanted.every((item, i) => covers(there[i], item))
    )
  if (typeof wanted !== 'object' || wanted === null) return there === wanted
  if (Object.keys(wanted).length === 0) return true // an empty map asks for nothing, and the API server drops it
  if (typeof there !== 'object' || there === null) return false
  return Object.entries(wanted).every(([key, value]) =>
    covers((there as Record<string, unknown>)[key], value),
  )
}
