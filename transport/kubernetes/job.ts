// A coordinator's job in a cluster: its own FederatedJob, followed by a watch, and status.training of it, server-side applied.
// Promises: only the object whose uid was asked for is ever read or written (each write names the resourceVersion of an object
// whose uid was checked); what the network or the server refuses for a while is asked again. RBAC: get, watch; patch of status.

import { completeSpec } from '#protocol/defaults.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { FederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { Clock } from '#runtime/clock.ts'
import { type CoordinatedJob, type JobSource, StatusRefused, type StatusSink } from '../ports.ts'
import { ApiError, type KubernetesClient } from './calls.ts'

export interface JobIdentity {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface KubernetesJobOptions {
  readonly client: KubernetesClient
  readonly identity: JobIdentity
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly log: (line: string) => void
}

interface StoredJob {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly generation: number
    readonly resourceVersion: string
  }
  readonly spec: FederatedJobSpec
  readonly status?: { readonly training?: TrainingStatus }
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: StoredJob
}

export const FIELD_MANAGER = 'fedsam-coordinator'
const API_VERSION = 'fedsam.dev/v1alpha1'
/** Seconds. The server ends a watch after so long; one without even a bookmark for longer is dead. */
const WATCH_SECONDS = 300
const QUIET_SECONDS = 330
const FIRST_PAUSE_SECONDS = 1
const LONGEST_PAUSE_SECONDS = 30
/** A write that others overtake is tried so often in a row. */
const CONFLICTS = 8

/** Reads the job, again until it could be read. Throws Superseded where it is gone or another one, Interrupted. */
export async function openKubernetesJob(
  options: KubernetesJobOptions,
): Promise<{ source: JobSource; sink: StatusSink }> {
  const reader = readerOf(options)
  await persistently(options, () => reader.refresh())
  return { source: sourceOf(options, reader), sink: sinkOf(options, reader) }
}

/** The newest of the job that was seen, whoever brought it. */
interface Reader {
  seen(): StoredJob
  /** Takes an object that a server sent. Throws Superseded where it is not our job. */
  take(stored: StoredJob): void
  /** Reads it. Throws Superseded, and what the network and the server throw. */
  refresh(): Promise<void>
}

function pathOf({ namespace, name }: JobIdentity, subresource = ''): string {
  return `/apis/${API_VERSION}/namespaces/${namespace}/federatedjobs/${name}${subresource}`
}

function readerOf({ client, identity }: KubernetesJobOptions): Reader {
  let seen: StoredJob | undefined
  const checked = (stored: StoredJob): StoredJob => {
    if (stored.metadata.uid !== identity.uid) throw gone(identity, 'another job bears its name')
    return stored
  }
  return {
    seen: () => seen!,
    take(stored) {
      // A watch may bring what a write's answer has overtaken.
      if (seen === undefined || versionOf(checked(stored)) >= versionOf(seen)) seen = checked(stored)
    },
    async refresh() {
      try {
        seen = checked(await client.call<StoredJob>({ method: 'GET', path: pathOf(identity) }))
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) throw gone(identity, 'it was deleted')
        throw error
      }
    },
  }
}

const versionOf = ({ metadata }: StoredJob): bigint => BigInt(metadata.resourceVersion)

function gone({ namespace, name, uid }: JobIdentity, why: string): FedsamError {
  return new FedsamError('Superseded', `FederatedJob ${namespace}/${name} with uid ${uid} is gone: ${why}`, {
    remedy: 'nothing: its pods end by themselves',
  })
}

function sourceOf(options: KubernetesJobOptions, reader: Reader): JobSource {
  const { identity, clock, log } = options
  return {
    job: () => jobOf(reader.seen()),
    training() {
      const training = reader.seen().status?.training
      return training?.uid === identity.uid ? training : undefined
    },
    async follow(changed, signal) {
      const watching = { ...options, signal }
      const follower = followerOf(reader, changed)
      while (!signal.aborted) {
        const error = await watchOnce(watching, reader, follower).catch((failure: Error) => failure)
        if (signal.aborted || error === undefined) continue
        if (error instanceof FedsamError) throw error
        log(`watching FederatedJob ${identity.name}: ${String(error)}`)
        await clock.sleep(pauseAfter(follower.failures), signal)
        follower.failed()
      }
    },
  }
}

interface Follower {
  /** The server was heard. */
  heard(): void
  /** Failures in a row. */
  readonly failures: number
  failed(): void
}

function followerOf(reader: Reader, changed: () => void): Follower {
  let generation = reader.seen().metadata.generation
  let failures = 0
  return {
    heard() {
      failures = 0
      const newest = reader.seen().metadata.generation
      if (newest === generation) return
      generation = newest
      changed()
    },
    get failures() {
      return failures
    },
    failed() {
      failures += 1
    },
  }
}

const pauseAfter = (failures: number): number =>
  Math.min(FIRST_PAUSE_SECONDS * 2 ** failures, LONGEST_PAUSE_SECONDS)

/** One watch from the version seen last until it ends, then a look at what it may have missed. Throws Superseded, and failures. */
async function watchOnce(
  { client, identity, signal }: KubernetesJobOptions,
  reader: Reader,
  { heard, failures }: Follower,
): Promise<undefined> {
  // What was missed is read; a version that is too old would be refused for ever.
  if (failures > 0) await reader.refresh()
  const query = new URLSearchParams({
    watch: 'true',
    fieldSelector: `metadata.name=${identity.name}`,
    resourceVersion: reader.seen().metadata.resourceVersion,
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(WATCH_SECONDS),
  })
  const path = `/apis/${API_VERSION}/namespaces/${identity.namespace}/federatedjobs?${query}`
  for await (const { type, object } of client.lines<WatchEvent>({ path, signal }, QUIET_SECONDS)) {
    if (type === 'ERROR') break // 410: the version is too old
    if (type === 'DELETED' && object.metadata.uid === identity.uid) throw gone(identity, 'it was deleted')
    if (type === 'ADDED' || type === 'MODIFIED') reader.take(object)
    heard()
  }
  await reader.refresh()
  heard()
}

function jobOf({ metadata, spec }: StoredJob): CoordinatedJob {
  const { name, namespace, uid, generation } = metadata
  return { name, namespace, uid, generation, spec: completeSpec(spec) }
}

function sinkOf({ client, identity }: KubernetesJobOptions, reader: Reader): StatusSink {
  const apply = (training: TrainingStatus): Promise<StoredJob> => {
    const { name, namespace, resourceVersion } = reader.seen().metadata
    const body = {
      apiVersion: API_VERSION,
      kind: 'FederatedJob',
      metadata: { name, namespace, resourceVersion },
      status: { training },
    }
    const path = `${pathOf(identity, '/status')}?fieldManager=${FIELD_MANAGER}&force=true`
    return client.call({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' })
  }
  const refuseOlder = ({ epoch }: TrainingStatus): void => {
    const stored = reader.seen().status?.training
    if (stored?.uid !== identity.uid || stored.epoch <= epoch) return
    throw new FedsamError(
      'Superseded',
      `the status has epoch ${stored.epoch}, this coordinator has ${epoch}`,
      { remedy: 'nothing: the newer coordinator goes on' },
    )
  }
  /** Whether the write may be tried again at once: somebody else wrote, or it is another job. Throws what it cannot cure. */
  const recover = async (error: unknown, training: TrainingStatus): Promise<boolean> => {
    if (!(error instanceof ApiError)) throw error
    if (error.status === 404) throw gone(identity, 'it was deleted')
    // 422: a rule of the schema, which an older coordinator meets too. 400 and 413: not to be read, too large.
    if (![400, 409, 413, 422].includes(error.status)) throw error
    await reader.refresh()
    refuseOlder(training)
    if (error.status === 409) return true
    throw new StatusRefused(error.message, { cause: error })
  }
  return {
    async write(training) {
      for (let tries = 1; ; tries += 1) {
        refuseOlder(training)
        try {
          reader.take(await apply(training))
          return
        } catch (error) {
          if (!(await recover(error, training)) || tries === CONFLICTS) throw error
        }
      }
    },
  }
}

/** Does it again, with growing pauses, until it is done. Throws FedsamErrors at once, Interrupted where it was asked to stop. */
async function persistently(
  { clock, signal, log }: KubernetesJobOptions,
  work: () => Promise<void>,
): Promise<void> {
  for (let failures = 0; ; failures += 1) {
    try {
      await work()
      return
    } catch (error) {
      if (error instanceof FedsamError) throw error
      log(`the Kubernetes API: ${String(error)}; asking again`)
    }
    await clock.sleep(pauseAfter(failures), signal)
    if (signal.aborted) throw new FedsamError('Interrupted', 'the coordinator was asked to stop')
  }
}
