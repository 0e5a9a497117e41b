// The jobs that the gate knows, found by uid, or by the public key of a site that they name. Guarantees: after each change both ways
// find the same jobs; a change costs as much as the changed job has keys.
import type { RunPlace } from '#protocol/permissions.ts'

export interface Job {
  readonly place: RunPlace
  readonly name: string
  readonly coordinatorAccount: string
  /** The account of each partition's worker, by the partition's name. An external partition has no pod, and so no account. */
  readonly workerAccounts: ReadonlyMap<string, string>
  /** The client of each site, by the site's public key. */
  readonly siteClients: ReadonlyMap<string, string>
}

export interface Jobs {
  find(uid: string): Job | undefined
  /** The jobs that name this key of a site. */
  naming(publicKey: string): readonly Job[]
}

export interface JobIndex extends Jobs {
  /** Adds the job, or replaces the one with the same uid. */
  put(job: Job): void
  remove(uid: string): void
  /** These jobs and no others. */
  replace(jobs: Iterable<Job>): void
}

export function createJobIndex(): JobIndex {
  const jobs = new Map<string, Job>()
  const byKey = new Map<string, Map<string, Job>>()
  const remove = (uid: string): void => {
    for (const key of jobs.get(uid)?.siteClients.keys() ?? []) {
      const named = byKey.get(key)!
      named.delete(uid)
      if (named.size === 0) byKey.delete(key)
    }
    jobs.delete(uid)
  }
  const put = (job: Job): void => {
    const { uid } = job.place
    remove(uid)
    jobs.set(uid, job)
    for (const key of job.siteClients.keys()) {
      const named = byKey.get(key) ?? new Map<string, Job>()
      byKey.set(key, named.set(uid, job))
    }
  }
  return {
    find: (uid) => jobs.get(uid),
    naming: (publicKey) => [...(byKey.get(publicKey)?.values() ?? [])],
    put,
    remove,
    replace(all) {
      jobs.clear()
      byKey.clear()
      for (const job of all) put(job)
    },
  }
}
