// The jobs whose pods may connect: the FederatedJobs of the watched namespaces, by uid, reduced to what the gate compares tokens with.
// Guarantees: nothing is known before the first lists are complete; while the API server is away, the last known jobs stay.
import { API_VERSION, jobsPath, PLURAL } from '#protocol/api.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { coordinatorAccount, workerAccount } from '#protocol/identity.ts'
import type { RunPlace } from '#protocol/permissions.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { type Follower, type RawObject, reflect } from '#transport/kubernetes/reflector.ts'

export interface Job {
  readonly place: RunPlace
  readonly name: string
  readonly coordinatorAccount: string
  /** The account of each partition's worker, by the partition's name. */
  readonly workerAccounts: ReadonlyMap<string, string>
}

export interface Jobs {
  find(uid: string): Job | undefined
}

export interface FollowedJobs extends Jobs {
  /** Resolves when the first lists are complete. */
  readonly synced: Promise<void>
  /** Resolves when the signal has aborted. */
  readonly done: Promise<void>
}

interface FollowOptions {
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[]
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
}

/** Seconds without a line after which a watch counts as dead: the API server sends a bookmark about every minute. */
const QUIET_SECONDS = 150

export function followJobs(
  client: Pick<KubernetesClient, 'call' | 'lines'>,
  { namespaces, onError, signal }: FollowOptions,
): FollowedJobs {
  const paths = namespaces.length === 0 ? [`/apis/${API_VERSION}/${PLURAL}`] : namespaces.map(jobsPath)
  const shelves = paths.map((path) => {
    const first = Promise.withResolvers<void>()
    const jobs = new Map<string, Job>()
    const follower = followerOf(jobs, first.resolve, onError)
    return {
      jobs,
      first: first.promise,
      done: reflect(client, { path, follower, onError, signal, quietSeconds: QUIET_SECONDS }),
    }
  })
  return {
    find(uid) {
      for (const { jobs } of shelves) if (jobs.has(uid)) return jobs.get(uid)
      return undefined
    },
    synced: Promise.all(shelves.map(({ first }) => first)).then(() => {}),
    done: Promise.all(shelves.map(({ done }) => done)).then(() => {}),
  }
}

function followerOf(jobs: Map<string, Job>, listed: () => void, onError: (error: unknown) => void): Follower {
  let page = new Map<string, Job>()
  const add = (into: Map<string, Job>, object: RawObject): void => {
    try {
      const [uid, job] = jobOf(object)
      into.set(uid, job)
    } catch (error) {
      onError(error) // a job with a name that no object of ours can have
    }
  }
  return {
    listing() {
      page = new Map()
    },
    page(objects) {
      for (const object of objects) add(page, object)
    },
    listed() {
      jobs.clear()
      for (const [uid, job] of page) jobs.set(uid, job)
      page = new Map()
      listed()
    },
    changed: (object) => add(jobs, object),
    deleted: ({ metadata }) => void jobs.delete(String(metadata.uid)),
    reached() {},
  }
}

/** A job's uid, and what the gate keeps of it. Throws RangeError where an account's name would be too long. */
export function jobOf(object: RawObject): readonly [string, Job] {
  const { name = '', namespace = '', uid } = object.metadata
  const { coordinator, partitions } = object.spec as FederatedJobSpec
  const accounts = partitions.map(({ name: partition, serviceAccountName = '' }) => {
    return [partition, workerAccount(name, { name: partition, serviceAccountName })] as const
  })
  return [
    String(uid),
    {
      place: { namespace, uid: String(uid) },
      name,
      coordinatorAccount: coordinatorAccount(name, {
        coordinator: { serviceAccountName: coordinator?.serviceAccountName ?? '' },
      }),
      workerAccounts: new Map(accounts),
    },
  ]
}
