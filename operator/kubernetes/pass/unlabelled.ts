// Unlabelled objects: they have the name of a child, and no watch shows them, because the watches select by our
// label. Such an object belongs to another owner, or is our own and a user removed its label.
//
//   create Job x ──► API server: AlreadyExists ──► read Job x ──► labelled and ours? ── yes ──► own-writes: the cache will show it
//                                                                        │ no
//                                                                        ▼
//                              next passes observe it as a child:  remembered here ── after REREAD_MS ──► read it again
//                              reconcile reports a conflict,             ▲                                    │
//                              or restores the label of our own          └───────── still there ◄─────────────┤
//                                                                                                 gone: forget it
//
// Without this memory the operator would try to create the object in every pass, and could not name its owner. No
// event reports a change of an unlabelled object, so the pass reads it again from time to time.
import type { KubernetesObject } from '../../objects/shapes.ts'

/** `job` is the key of a FederatedJob, namespace/name. `now` is a monotonic clock in milliseconds. */
export interface UnlabelledObjects {
  of(job: string): KubernetesObject[]
  /** Remembers the object as it was read at `now`. */
  add(job: string, object: KubernetesObject, now: number): void
  drop(job: string, kind: string, name: string): void
  /** The objects that were read at least REREAD_MS ago. */
  due(job: string, now: number): KubernetesObject[]
  forget(job: string): void
}

/** Milliseconds after which an unlabelled object is read again, and with it its job reconciled. */
export const REREAD_MS = 10_000

export function openUnlabelled(): UnlabelledObjects {
  const jobs = new Map<string, Map<string, { object: KubernetesObject; readAt: number }>>()
  const known = (job: string) => [...(jobs.get(job)?.values() ?? [])]
  return {
    of: (job) => known(job).map(({ object }) => object),
    add(job, object, now) {
      const objects = jobs.get(job) ?? new Map()
      jobs.set(job, objects.set(`${object.kind}/${object.metadata.name}`, { object, readAt: now }))
    },
    drop(job, kind, name) {
      const objects = jobs.get(job)
      objects?.delete(`${kind}/${name}`)
      if (objects?.size === 0) jobs.delete(job)
    },
    due: (job, now) =>
      known(job)
        .filter(({ readAt }) => now - readAt >= REREAD_MS)
        .map(({ object }) => object),
    forget: (job) => void jobs.delete(job),
  }
}
