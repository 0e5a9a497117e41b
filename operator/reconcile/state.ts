// What a job does now. The first check of CHECKS that applies to the facts decides; where none applies, the job
// waits. Each check reads the facts alone and relies on no check before it. Pure.
import {
  coordinatorFailure,
  coordinatorWait,
  type FailureReason,
  type WaitingReason,
} from '#protocol/reasons.ts'
import type { KubernetesObject, StoredJob } from '../objects/shapes.ts'
import type { Facts } from './facts.ts'
import { holdingQueue } from './lifecycle/queue-hold.ts'
import { missingSections } from './lifecycle/suspend.ts'

/**
 * A state, with its reason where it has several. An empty message means that the table of conditions has the right
 * one.
 */
export type Verdict =
  | { readonly state: 'Training' | 'QuorumLost' | 'Suspended' | 'Complete'; readonly message: string }
  | { readonly state: 'Waiting'; readonly waitingFor: WaitingReason; readonly message: string }
  | { readonly state: 'Failed'; readonly failure: FailureReason; readonly message: string }

/** The facts that checks read. */
export type StateFacts = Pick<
  Facts,
  'spec' | 'now' | 'training' | 'queue' | 'deadline' | 'coordinator' | 'refusals' | 'forbidden'
> & {
  /** Objects that have the name of a child and another owner. */
  readonly conflicts: readonly KubernetesObject[]
}

/** A verdict, or undefined where the check does not apply. */
type Check = (facts: StateFacts) => Verdict | undefined

/**
 * Ends of the run come first; then what stops the job, then what keeps it from training, then the coordinator's
 * report.
 */
export const CHECKS: readonly Check[] = [
  reportedComplete,
  reportedFailed,
  coordinatorGaveUp,
  coordinatorRejectedJob,
  suspended,
  deadlinePassed,
  ruleBroken,
  nameConflict,
  sectionMissing,
  coordinatorQueued,
  coordinatorUnavailable,
  reportedTraining,
  reportedQuorumLost,
]

/** The state of a job that was not over before this pass. */
export function decideState(facts: StateFacts): Verdict {
  for (const check of CHECKS) {
    const verdict = check(facts)
    if (verdict) return verdict
  }
  return waiting(facts)
}

/** Whether the job completed or failed in an earlier pass. It stays so. */
export function isOver({ status }: StoredJob): boolean {
  return (status?.conditions ?? []).some(
    ({ type, status: truth }) => (type === 'Complete' || type === 'Failed') && truth === 'True',
  )
}

/** The coordinator reports that all rounds are done. */
function reportedComplete({ training }: StateFacts): Verdict | undefined {
  if (training?.state !== 'Complete') return undefined
  return { state: 'Complete', message: training.message ?? '' }
}

/** The coordinator reports that the run failed. A reason that this version does not know counts as CoordinatorFailed. */
function reportedFailed({ training }: StateFacts): Verdict | undefined {
  if (training?.state !== 'Failed') return undefined
  const failure = coordinatorFailure(training.reason) ?? 'CoordinatorFailed'
  return { state: 'Failed', failure, message: training.message ?? '' }
}

/** The coordinator's Job failed for good, so nobody runs the rounds any more. */
function coordinatorGaveUp({ coordinator: { givenUp } }: StateFacts): Verdict | undefined {
  if (givenUp === undefined) return undefined
  return { state: 'Failed', failure: 'CoordinatorFailed', message: `The coordinator ${givenUp}` }
}

/** The coordinator's program rejected the job, or an object that the job names; a retry cannot change that. */
function coordinatorRejectedJob({ coordinator: { rejection } }: StateFacts): Verdict | undefined {
  if (rejection === undefined) return undefined
  return { state: 'Failed', failure: 'BadConfiguration', message: rejection }
}

/** The user suspended the job. */
function suspended({ spec }: StateFacts): Verdict | undefined {
  return spec.suspend ? { state: 'Suspended', message: '' } : undefined
}

/** A deadline of the spec has passed. */
function deadlinePassed({ deadline, now }: StateFacts): Verdict | undefined {
  if (deadline === undefined || deadline.at > now) return undefined
  return { state: 'Failed', failure: deadline.reason, message: deadline.message }
}

/** The job asks for more than its author may have; the operator creates nothing for it. */
function ruleBroken({ forbidden }: StateFacts): Verdict | undefined {
  return forbidden && { state: 'Waiting', ...forbidden }
}

/** An object with the name of a child belongs to another owner, and the operator does not adopt it. */
function nameConflict({ conflicts }: StateFacts): Verdict | undefined {
  if (conflicts.length === 0) return undefined
  const names = conflicts.map(({ kind, metadata }) => `${kind} ${metadata.name}`).join(', ')
  const [verb, them] = conflicts.length === 1 ? ['belongs', 'it'] : ['belong', 'them']
  const message = `${names} ${verb} to another owner; delete or rename ${them}, or give the job another name.`
  return { state: 'Waiting', waitingFor: 'ChildConflict', message }
}

/** The spec lacks a section that a job in a cluster needs; no pod starts without it. */
function sectionMissing({ spec, training }: StateFacts): Verdict | undefined {
  const missing = training ? [] : missingSections(spec)
  if (missing.length === 0) return undefined
  const [are, them] = missing.length === 1 ? ['is', 'it'] : ['are', 'them']
  const message = `${missing.join(' and ')} ${are} missing; a job in a cluster needs ${them}. Create the job again with ${them}.`
  const waitingFor = spec.storage ? 'MessagingMissing' : 'StorageMissing'
  return { state: 'Waiting', waitingFor, message }
}

/** A queue holds the coordinator's Job, before the run or in the middle of it, so nobody runs the rounds. */
function coordinatorQueued({ queue, coordinator: { job } }: StateFacts): Verdict | undefined {
  const holding = job && holdingQueue(queue, job)
  if (holding === undefined) return undefined
  const message = `Queue ${holding} holds the coordinator's Job ${job?.metadata.name}; the run continues when the queue admits it.`
  return { state: 'Waiting', waitingFor: 'Queued', message }
}

/** The coordinator's pod cannot run, so nobody runs the rounds. */
function coordinatorUnavailable({ coordinator: { problem } }: StateFacts): Verdict | undefined {
  if (problem === undefined) return undefined
  return { state: 'Waiting', waitingFor: 'CoordinatorUnavailable', message: `The coordinator: ${problem}` }
}

/** The coordinator reports that rounds run, or that it evaluates the last model. */
function reportedTraining({ training }: StateFacts): Verdict | undefined {
  if (training?.state !== 'Training' && training?.state !== 'Finishing') return undefined
  return { state: 'Training', message: training.message ?? '' }
}

/** The coordinator reports that a round ended below its quorum. */
function reportedQuorumLost({ training }: StateFacts): Verdict | undefined {
  if (training?.state !== 'QuorumLost') return undefined
  return { state: 'QuorumLost', message: training.message ?? '' }
}

/**
 * The job waits for what the coordinator names, else for a child that the API server rejects, else for its pods to
 * start.
 */
function waiting({ training, refusals }: StateFacts): Verdict {
  const otherwise = refusals.length > 0 ? 'ChildRefused' : 'Starting'
  const waitingFor = coordinatorWait(training?.reason) ?? otherwise
  return { state: 'Waiting', waitingFor, message: training?.message ?? '' }
}
