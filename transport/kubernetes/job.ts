// A coordinator's job in a cluster: follows its FederatedJob with a watch, and writes status.training by server-side apply.
// Guarantees: it reads and writes no object but the one with the coordinator's uid. Each write names the resourceVersion of an
// object whose uid it checked. It retries failures that may pass. RBAC: get, watch; patch of status.

import { APPLY_TYPE, applyQuery, COORDINATOR_NAME, jobsPath, REFERENCE } from '#protocol/api.ts'
import { type CoordinatorCertificate, readCertificate } from '#protocol/certificate.ts'
import { completeSpec } from '#protocol/defaults.ts'
import { FedsamError } from '#protocol/errors.ts'
import type {
  FederatedJobSpec,
  FederatedJobStatus,
  TrainingStatus,
} from '#protocol/generated/federatedjob.ts'
import type { Clock } from '#runtime/clock.ts'
import { retry } from '#runtime/retry.ts'
import { type CoordinatedJob, type JobSource, StatusRefused, type StatusSink } from '../ports.ts'
import { ApiError, type KubernetesClient } from './calls.ts'
import { type WatchHandler, watch } from './watch.ts'

export interface JobIdentity {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

interface KubernetesJobOptions {
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
  readonly status?: { readonly training?: TrainingStatus; readonly coordinatorCertificate?: unknown }
}

/** Seconds without a line after which a watch counts as dead: the API server sends a bookmark about every minute. */
const QUIET_SECONDS = 150
/** Seconds between two tries of the first read. */
const BACKOFF = { first: 1, longest: 30 }
/** Tries in a row of a write that meets newer writes of others. */
const CONFLICTS = 8

/**
 * Reads the job, and retries until it succeeds. Throws Superseded where the job is gone or another job has its name; Interrupted.
 */
export async function openKubernetesJob(
  options: KubernetesJobOptions,
): Promise<{ source: JobSource; sink: StatusSink }> {
  const reader = readerOf(options)
  const { clock, signal, log } = options
  const onFailure = (error: unknown): undefined => {
    if (error instanceof FedsamError) throw error
    log(`cannot read FederatedJob ${options.identity.name}, retrying: ${String(error)}`)
  }
  await retry(reader.refresh, { backoff: BACKOFF, onFailure, signal, clock })
  return { source: sourceOf(options, reader), sink: sinkOf(options, reader) }
}

/** The newest version of the job, from a read, the watch, or the answer to a write. */
interface Reader {
  seen(): StoredJob
  /** Keeps an object that the server sent, if it is newer. Throws Superseded where it is another job. */
  take(stored: StoredJob): void
  /** Reads the job. Throws Superseded, and the errors of the network and the server. */
  refresh(): Promise<void>
}

function pathOf(identity: JobIdentity, subresource = ''): string {
  return `${jobsPath(identity.namespace)}/${identity.name}${subresource}`
}

function readerOf({ client, identity }: KubernetesJobOptions): Reader {
  let seen: StoredJob | undefined
  const checked = (stored: StoredJob): StoredJob => {
    if (stored.metadata.uid !== identity.uid) throw gone(identity, 'another job has its name')
    return stored
  }
  return {
    seen: () => seen!,
    take(stored) {
      // A watch may deliver a version that is older than the answer to a write.
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
  const { client, identity, clock, log } = options
  return {
    job: () => jobOf(reader.seen()),
    training() {
      const training = reader.seen().status?.training
      return training?.uid === identity.uid ? training : undefined
    },
    certificate: () => certificateOf(reader.seen()),
    follow(changed, signal) {
      return watch<StoredJob>(client, {
        path: jobsPath(identity.namespace),
        selector: `fieldSelector=metadata.name=${identity.name}`,
        quietSeconds: QUIET_SECONDS,
        handler: handlerOf(options, reader, changed),
        onError(error) {
          if (error instanceof FedsamError) throw error
          log(`cannot watch FederatedJob ${identity.name}, retrying: ${String(error)}`)
        },
        signal,
        clock,
      })
    },
  }
}

/** The certificate in a job's status; undefined where it has none that can be read. */
function certificateOf({ status }: StoredJob): CoordinatorCertificate | undefined {
  return readCertificate(status?.coordinatorCertificate)
}

/** Calls `changed` for every new generation of the job, and for a new certificate. Throws Superseded where the job is gone. */
function handlerOf(
  { identity }: KubernetesJobOptions,
  reader: Reader,
  changed: () => void,
): WatchHandler<StoredJob> {
  const versions = (): string =>
    `${reader.seen().metadata.generation} ${certificateOf(reader.seen())?.signature ?? ''}`
  let before = versions()
  const compare = (): void => {
    const newest = versions()
    if (newest === before) return
    before = newest
    changed()
  }
  return {
    async read() {
      await reader.refresh()
      compare()
      return reader.seen().metadata.resourceVersion
    },
    changed(stored) {
      reader.take(stored)
      compare()
    },
    deleted({ metadata }) {
      if (metadata.uid === identity.uid) throw gone(identity, 'it was deleted')
    },
    reached() {},
  }
}

function jobOf({ metadata, spec }: StoredJob): CoordinatedJob {
  const { name, namespace, uid, generation } = metadata
  return { name, namespace, uid, generation, spec: completeSpec(spec) }
}

function sinkOf({ client, identity }: KubernetesJobOptions, reader: Reader): StatusSink {
  const apply = (training: TrainingStatus): Promise<StoredJob> => {
    const { name, namespace, resourceVersion } = reader.seen().metadata
    const body = {
      ...REFERENCE,
      metadata: { name, namespace, resourceVersion },
      status: { training } satisfies FederatedJobStatus,
    }
    const path = `${pathOf(identity, '/status')}${applyQuery(COORDINATOR_NAME)}`
    return client.call({ method: 'PATCH', path, body, contentType: APPLY_TYPE })
  }
  const refuseOlder = ({ epoch }: TrainingStatus): void => {
    const stored = reader.seen().status?.training
    if (stored?.uid !== identity.uid || stored.epoch <= epoch) return
    throw new FedsamError(
      'Superseded',
      `the status has epoch ${stored.epoch}, this coordinator has ${epoch}`,
      { remedy: 'do nothing: the newer coordinator continues the run' },
    )
  }
  /** Reads the job again after a refused write. Returns whether the write may be retried at once; throws where it may not. */
  const recover = async (error: unknown, training: TrainingStatus): Promise<boolean> => {
    if (!(error instanceof ApiError)) throw error
    if (error.status === 404) throw gone(identity, 'it was deleted')
    // 422: a rule of the schema, which an older coordinator meets too. 400: unreadable. 413: too large.
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
