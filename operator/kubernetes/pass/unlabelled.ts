// Objects that have the name of a child and that no watch shows, because they lack the label: somebody else's, or ours with the
// label taken off. They are met when a child is created, and looked at again from time to time until they are gone or ours.
import type { KubernetesObject } from '../../objects/shapes.ts'

export interface Strays {
  of(job: string): KubernetesObject[]
  /** Seen at this moment. */
  add(job: string, object: KubernetesObject, now: number): void
  drop(job: string, kind: string, name: string): void
  /** Those that were seen too long ago to go by. */
  due(job: string, now: number): KubernetesObject[]
  forget(job: string): void
}

/** How old a look at a stray may be; a job that has any is looked at so often. */
export const STRAY_MS = 10_000

export function openStrays(): Strays {
  const jobs = new Map<string, Map<string, { object: KubernetesObject; seen: number }>>()
  const known = (job: string) => [...(jobs.get(job)?.values() ?? [])]
  return {
    of: (job) => known(job).map(({ object }) => object),
    add(job, object, now) {
      const strays = jobs.get(job) ?? new Map()
      jobs.set(job, strays.set(`${object.kind}/${object.metadata.name}`, { object, seen: now }))
    },
    drop(job, kind, name) {
      const strays = jobs.get(job)
      strays?.delete(`${kind}/${name}`)
      if (strays?.size === 0) jobs.delete(job)
    },
    due: (job, now) =>
      known(job)
        .filter(({ seen }) => now - seen >= STRAY_MS)
        .map(({ object }) => object),
    forget: (job) => void jobs.delete(job),
  }
}
