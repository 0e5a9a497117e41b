// What a job does now, decided from what is observed: ordered checks, the first that applies. Pure.
import type { FailureReason, JobState, WaitingReason } from '#protocol/conditions.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { coordinatorName } from '#protocol/names.ts'
import { unsupportedFields, unsupportedText } from '#protocol/unsupported.ts'
import { isOwned, ROLE_LABEL } from '../objects/labels.ts'
import type { KubernetesObject } from '../objects/shapes.ts'
import type { Observed } from './contract.ts'
import { nearestDeadline } from './lifecycle/deadlines.ts'
import { holdingQueue } from './lifecycle/queue-hold.ts'
import { missingSections } from './lifecycle/suspend.ts'
import { endedWith } from './problems/container-problems.ts'
import { jobFailure, latestProblem } from './problems/pod-history.ts'
import { trainingOf } from './training.ts'

/** A state, with its reason where it has several. */
export interface Verdict {
  readonly state: JobState
  readonly waitingFor?: WaitingReason
  readonly failure?: FailureReason
  readonly message?: string
  /** When, in milliseconds since 1970, a deadline will change it. */
  readonly until?: number
}

/** Reasons that the operator finds itself; all others are the coordinator's, and none may be missing below. */
type OwnFailure = 'StartDeadlineExceeded' | 'DeadlineExceeded' | 'CoordinatorFailed'
type OwnWait = 'Starting' | 'Queued' | 'CoordinatorUnavailable' | 'ChildRefused' | 'ChildConflict'

const FAILURES: readonly string[] = Object.keys({
  BadConfiguration: true,
  BadData: true,
  BadCheckpoint: true,
  StorageUnsuitable: true,
  RecordDamaged: true,
  TooManyFailedRounds: true,
  MetricNotReported: true,
  TooFewUpdates: true,
  ParametersOverflow: true,
  TooFewClients: true,
} satisfies Record<Exclude<FailureReason, OwnFailure>, true>)
const WAITS: readonly string[] = Object.keys({
  NotEnoughClients: true,
  CheckpointUnavailable: true,
  StorageUnreachable: true,
  StorageMissing: true,
  MessagingUnreachable: true,
} satisfies Record<Exclude<WaitingReason, OwnWait>, true>)

/** A job that completed or failed stays so. */
export function terminalState({ job }: Observed): 'Complete' | 'Failed' | undefined {
  const over = (job.status?.conditions ?? []).find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  )
  return over?.type as 'Complete' | 'Failed' | undefined
}

/** The state of a job that was not over. `conflicts` are objects of somebody else under a child's name. */
export function decideState(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
  conflicts: readonly KubernetesObject[],
): Verdict {
  const training = trainingOf(observed)
  const message = training?.message ?? ''
  if (training?.state === 'Complete') return { state: 'Complete', message }
  if (training?.state === 'Failed') {
    const known = FAILURES.includes(training.reason ?? '')
    return {
      state: 'Failed',
      failure: known ? (training.reason as FailureReason) : 'CoordinatorFailed',
      message,
    }
  }
  const failed = coordinatorFailure(observed)
  if (failed) return failed
  if (spec.suspend) return { state: 'Suspended' }
  const unserved = training ? [] : unsupportedFields(spec)
  if (unserved.length > 0)
    return { state: 'Failed', failure: 'BadConfiguration', message: unsupportedText(unserved) }
  const deadline = nearestDeadline(observed, spec, training, {
    coordinator: coordinatorJob(observed),
    workers: workerJobs(observed),
  })
  if (deadline && deadline.at <= observed.now)
    return { state: 'Failed', failure: deadline.reason, message: deadline.message }
  return { ...runningState(observed, spec, conflicts), ...(deadline ? { until: deadline.at } : {}) }
}

function runningState(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
  conflicts: readonly KubernetesObject[],
): Verdict {
  const training = trainingOf(observed)
  const hindrance =
    conflictOf(conflicts) ??
    (training ? undefined : sectionsMissing(spec)) ??
    coordinatorQueued(observed) ??
    coordinatorHindrance(observed)
  if (hindrance) return hindrance
  const message = training?.message ?? ''
  switch (training?.state) {
    case 'Training':
    case 'Finishing':
      return { state: 'Training', message }
    case 'QuorumLost':
      return { state: 'QuorumLost', message }
    default: {
      const known = WAITS.includes(training?.reason ?? '')
      const refused = (observed.refusals ?? []).length > 0
      const otherwise = refused ? 'ChildRefused' : 'Starting'
      return {
        state: 'Waiting',
        waitingFor: known ? (training?.reason as WaitingReason) : otherwise,
        message,
      }
    }
  }
}

function conflictOf(conflicts: readonly KubernetesObject[]): Verdict | undefined {
  if (conflicts.length === 0) return undefined
  const names = conflicts.map(({ kind, metadata }) => `${kind} ${metadata.name}`).join(', ')
  const message = `${names} belongs to somebody else; delete or rename it, or give the job another name.`
  return { state: 'Waiting', waitingFor: 'ChildConflict', message }
}

function sectionsMissing(spec: CompleteFederatedJobSpec): Verdict | undefined {
  const missing = missingSections(spec)
  if (missing.length === 0) return undefined
  const message = `${missing.join(' and ')} is missing, and a job in a cluster needs it; create the job again with it.`
  return { state: 'Waiting', waitingFor: 'StorageMissing', message }
}

function ofCoordinator({ metadata }: KubernetesObject): boolean {
  return metadata.labels?.[ROLE_LABEL] === 'coordinator'
}

/** What keeps the coordinator's pod from running. Without it nobody counts rounds. */
function coordinatorHindrance(observed: Observed): Verdict | undefined {
  const { pods, warnings, now } = observed
  const problem = latestProblem(pods.filter(ofCoordinator), { warnings, job: coordinatorJob(observed), now })
  if (problem === undefined) return undefined
  return { state: 'Waiting', waitingFor: 'CoordinatorUnavailable', message: `The coordinator: ${problem}` }
}

/** Nobody counts rounds while a queue holds the coordinator, before the run or in the middle of it. */
function coordinatorQueued(observed: Observed): Verdict | undefined {
  const own = coordinatorJob(observed)
  const queue = own && holdingQueue(observed, own)
  if (queue === undefined) return undefined
  const message = `Queue ${queue} holds the Job of the coordinator; the job goes on when the queue admits it.`
  return { state: 'Waiting', waitingFor: 'Queued', message }
}

function workerJobs({ job, children }: Observed): KubernetesObject[] {
  return children.filter(
    ({ kind, metadata }) =>
      kind === 'Job' && metadata.labels?.[ROLE_LABEL] === 'worker' && isOwned(job, metadata),
  )
}

function coordinatorJob({ job, children }: Observed): KubernetesObject | undefined {
  const name = coordinatorName(job.metadata.name)
  return children.find(
    ({ kind, metadata }) => kind === 'Job' && metadata.name === name && isOwned(job, metadata),
  )
}

/** The coordinator's Job gave up, or its program says that trying again changes nothing. */
function coordinatorFailure(observed: Observed): Verdict | undefined {
  const { pods } = observed
  const own = coordinatorJob(observed)
  const message = own && jobFailure(own)
  if (message) return { state: 'Failed', failure: 'CoordinatorFailed', message: `The coordinator ${message}` }
  const hopeless = pods
    .filter(ofCoordinator)
    .map((pod) => endedWith(pod, POD_EXITS.BadConfiguration.code))
    .find((end) => end !== undefined)
  if (!hopeless) return undefined
  const text =
    hopeless.said || 'The coordinator found the job, or what it names, to be wrong; its log says what.'
  return { state: 'Failed', failure: 'BadConfiguration', message: text }
}
