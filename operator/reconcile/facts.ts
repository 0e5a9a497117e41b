// The facts that one pass decides on: the observed Jobs and pods sorted by role, and what follows from them.
// `factsOf` derives all of them once, at the start of reconcile; each step takes the facts that it uses. Decides
// nothing. Pure.
import type { CoordinatorCertificate } from '#protocol/certificate.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { PARTITION_LABEL, ROLE_LABEL, type Role } from '#protocol/labels.ts'
import { coordinatorName, workerName } from '#protocol/names.ts'
import { isOwned } from '../objects/labels.ts'
import type { KubernetesObject, StoredJob } from '../objects/shapes.ts'
import { type Forbidden, forbidden } from './author-rules.ts'
import { certificateFor } from './certificate.ts'
import type { Observed } from './contract.ts'
import { type Deadline, nearestDeadline } from './lifecycle/deadlines.ts'
import { queueOf } from './lifecycle/queue-hold.ts'
import { type Pause, pauseOf } from './lifecycle/suspend.ts'
import { endedWith } from './problems/container-problems.ts'
import { type MissingClient, missingClients } from './problems/missing-clients.ts'
import { sitesAway } from './problems/missing-sites.ts'
import { jobFailure, latestProblem } from './problems/pod-history.ts'
import { isReady, stuckAt } from './problems/pod-problems.ts'

export interface Facts {
  readonly job: StoredJob
  /** The job's spec, with the schema's defaults. */
  readonly spec: CompleteFederatedJobSpec
  /** Milliseconds since 1970. */
  readonly now: number
  /** What the coordinator reports; undefined before its first report about this job. */
  readonly training: TrainingStatus | undefined
  /** The certificate of the coordinator's key; undefined before it reported one. */
  readonly certificate: CoordinatorCertificate | undefined
  /** The queue that decides when the job's Jobs start; undefined without one. */
  readonly queue: string | undefined
  /** The pause of the workers that holds now or will. */
  readonly pause: Pause | undefined
  /** The deadline that comes first; undefined while no clock runs. */
  readonly deadline: Deadline | undefined
  readonly coordinator: CoordinatorFacts
  readonly readyWorkers: number
  /** Partitions without a running worker, and why. */
  readonly missing: readonly MissingClient[]
  /** When pods that are being deleted will count as stuck, in milliseconds since 1970. */
  readonly stuckMoments: readonly number[]
  /** Children that the API server rejected when they were last written: a sentence each. */
  readonly refusals: readonly string[]
  /** The rule for authors that the job breaks; undefined where it breaks none. */
  readonly forbidden: Forbidden | undefined
}

/** The coordinator's Job and pods, as far as decisions read them. Each text is a sentence for people, or undefined. */
export interface CoordinatorFacts {
  readonly job: KubernetesObject | undefined
  /** Why its Job creates no further pod. */
  readonly givenUp: string | undefined
  /** What its program reported when it rejected the job. */
  readonly rejection: string | undefined
  /** What keeps its pod from running. */
  readonly problem: string | undefined
}

export function factsOf(observed: Observed, spec: CompleteFederatedJobSpec): Facts {
  const { job, pods, warnings, now, settings, refusals = [] } = observed
  const jobs = ownedJobs(observed)
  const training = trainingOf(job)
  const queue = queueOf(job)
  const coordinator = jobs.get(coordinatorName(job.metadata.name))
  const workers = [...jobs.values()].filter((child) => hasRole(child, 'worker'))
  const podsOfPartition = Map.groupBy(pods, ({ metadata }) => metadata.labels?.[PARTITION_LABEL])
  const partitions = spec.partitions.map((partition) => ({
    partition,
    job: jobs.get(workerName(job.metadata.name, partition.name)),
    pods: podsOfPartition.get(partition.name) ?? [],
  }))
  return {
    job,
    spec,
    now,
    training,
    certificate: certificateFor(job, training, settings.certifier),
    queue,
    pause: pauseOf(training, queue, now),
    deadline: nearestDeadline(
      { job, spec, training, queue, now, away: sitesAway({ spec, training }) },
      { coordinator, workers },
    ),
    coordinator: coordinatorFacts(coordinator, observed),
    readyWorkers: pods.filter((pod) => hasRole(pod, 'worker') && isReady(pod)).length,
    missing: missingClients(partitions, { spec, training, queue, warnings, now }),
    stuckMoments: pods.map(stuckAt).filter((at) => at !== undefined && at > now) as number[],
    refusals,
    forbidden: forbidden(job, spec, observed.settings),
  }
}

/** The coordinator's report about this job. A report about an earlier job of the same name does not count. */
export function trainingOf({ metadata, status }: StoredJob): TrainingStatus | undefined {
  const training = status?.training
  return training?.uid === metadata.uid ? training : undefined
}

/** For a coordinator that rejected the job without a termination message. */
const REJECTED = 'The coordinator rejects the job; its log names the field and the reason.'

function coordinatorFacts(
  job: KubernetesObject | undefined,
  { pods, warnings, now }: Observed,
): CoordinatorFacts {
  const own = pods.filter((pod) => hasRole(pod, 'coordinator'))
  const lastWords = own
    .map((pod) => endedWith(pod, POD_EXITS.BadConfiguration.code))
    .find((message) => message !== undefined)
  return {
    job,
    givenUp: job && jobFailure(job),
    rejection: lastWords === '' ? REJECTED : lastWords,
    problem: latestProblem(own, { warnings, job, now }),
  }
}

/** The Jobs that this FederatedJob owns, by name. */
function ownedJobs({ job, children }: Observed): Map<string, KubernetesObject> {
  const jobs = children.filter(({ kind, metadata }) => kind === 'Job' && isOwned(job, metadata))
  return new Map(jobs.map((child) => [child.metadata.name, child]))
}

function hasRole({ metadata }: KubernetesObject, role: Role): boolean {
  return metadata.labels?.[ROLE_LABEL] === role
}
