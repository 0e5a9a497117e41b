// The jobs whose members may connect: the FederatedJobs of the watched namespaces, reduced to what the gate compares tokens and keys with.
// Guarantees: nothing is known before the first lists are complete; while the API server is away, the last known jobs stay.
import * as v from 'valibot'
import { API_VERSION, jobsPath, PLURAL } from '#protocol/api.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { coordinatorAccount, workerAccount } from '#protocol/identity.ts'
import { permissionsOf, type RunPlace } from '#protocol/permissions.ts'
import { PublicKey } from '#protocol/signatures.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { type Follower, type RawObject, reflect } from '#transport/kubernetes/reflector.ts'
import { createJobIndex, type Job, type JobIndex, type Jobs } from './job-index.ts'

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
    const jobs = createJobIndex()
    const follower = followerOf(jobs, first.resolve, onError)
    return {
      jobs,
      first: first.promise,
      done: reflect(client, { path, follower, onError, signal, quietSeconds: QUIET_SECONDS }),
    }
  })
  return {
    find(uid) {
      for (const { jobs } of shelves) {
        const job = jobs.find(uid)
        if (job !== undefined) return job
      }
      return undefined
    },
    naming: (publicKey) => shelves.flatMap(({ jobs }) => jobs.naming(publicKey)),
    synced: Promise.all(shelves.map(({ first }) => first)).then(() => {}),
    done: Promise.all(shelves.map(({ done }) => done)).then(() => {}),
  }
}

function followerOf(jobs: JobIndex, listed: () => void, onError: (error: unknown) => void): Follower {
  let page: Job[] = []
  const add = (put: (job: Job) => void, object: RawObject): void => {
    try {
      put(jobOf(object))
    } catch (error) {
      onError(error) // a job with a name that no object of ours can have
    }
  }
  return {
    listing() {
      page = []
    },
    page(objects) {
      for (const object of objects) add((job) => page.push(job), object)
    },
    listed() {
      jobs.replace(page)
      page = []
      listed()
    },
    changed: (object) => add(jobs.put, object),
    deleted: ({ metadata }) => jobs.remove(String(metadata.uid)),
    reached() {},
  }
}

/** What the gate keeps of a job. Throws RangeError where an account's name would be too long. */
export function jobOf(object: RawObject): Job {
  const { name = '', namespace = '', uid } = object.metadata
  const { coordinator, partitions } = object.spec as FederatedJobSpec
  const place = { namespace, uid: String(uid) }
  const accounts = partitions.filter(isInCluster).map(({ name: partition, serviceAccountName = '' }) => {
    return [partition, workerAccount(name, { name: partition, serviceAccountName })] as const
  })
  return {
    place,
    name,
    coordinatorAccount: coordinatorAccount(name, {
      coordinator: { serviceAccountName: coordinator?.serviceAccountName ?? '' },
    }),
    workerAccounts: new Map(accounts),
    siteClients: siteClientsOf(place, partitions),
  }
}

type Partition = FederatedJobSpec['partitions'][number]
const External = v.object({ external: v.object({ publicKey: PublicKey }) })

/** An external partition has no pod: a pod that takes its account's name gets nothing. */
function isInCluster(partition: Partition): boolean {
  return partition.external === undefined || partition.external === null
}

/** The partition that each key names. A key that is malformed, or is in two partitions, names none. */
function siteClientsOf(place: RunPlace, partitions: readonly Partition[]): ReadonlyMap<string, string> {
  const clients = new Map<string, string>()
  const doubled = new Set<string>()
  for (const partition of partitions) {
    const read = v.safeParse(External, partition)
    if (!read.success || !hasSubjects(place, partition.name)) continue
    const { publicKey } = read.output.external
    if (clients.has(publicKey)) doubled.add(publicKey)
    clients.set(publicKey, partition.name)
  }
  for (const key of doubled) clients.delete(key)
  return clients
}

/** Whether the names are ones that a subject can have. One job with other names must not hinder a site in all of its jobs. */
function hasSubjects(place: RunPlace, client: string): boolean {
  try {
    permissionsOf(place, { role: 'client', client })
    return true
  } catch {
    return false
  }
}
