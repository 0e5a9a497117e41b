// Why a job waits or failed, each reason once. The first list of each pair is what a coordinator may report in `status.training`: the
// coordinator can report no other, and the operator takes over every one of them. The second is what the operator finds itself.

/** What a coordinator waits for. */
export const COORDINATOR_WAITS = [
  'NotEnoughClients',
  'CheckpointUnavailable',
  'RecordUnavailable', // the record of spec.resumeFrom
  'StorageUnreachable',
  'StorageMissing', // the bucket does not exist; for the operator: spec.storage is absent
  'MessagingUnreachable',
  'NotCertified', // the operator has not certified the coordinator's key yet
] as const

export const OPERATOR_WAITS = [
  'Starting', // a coordinator reports it too, before it knows more
  'MessagingMissing', // spec.messaging is absent
  'Queued', // a queue holds the coordinator's Job
  'CoordinatorUnavailable', // the coordinator's pod cannot run, or cannot be created
  'ChildRefused', // the API server rejects a child as the job wants it
  'ChildConflict', // an object with the name of a child belongs to another owner
  'TemplateRefused', // a pod template or a security context holds what the operator does not allow
  'AccountRefused', // a partition has the coordinator's account
  'KeyShared', // two external partitions have the same key
  'ProgramRefused', // the strategy is a program, which runs on one machine alone
  'NamespaceRefused', // the job is in the operator's own namespace
] as const

export type CoordinatorWait = (typeof COORDINATOR_WAITS)[number]
/** What a job waits for before it trains, or trains again. */
export type WaitingReason = CoordinatorWait | (typeof OPERATOR_WAITS)[number]

/** Why a run ended without a model; the record has it too. */
const RUN_FAILURES = [
  'TooManyFailedRounds', // round.maxFailedRounds attempts at one round were abandoned
  'MetricNotReported', // no client reports the metric of spec.evaluation
  'TooFewUpdates', // a round closed with fewer updates than its strategy needs
  'TooFewClients', // workers of a run on one machine ended, and too few are left
  'ProgramFailed', // the strategy's program ended before its result
  'ProgramDiffered', // the program asked something else than in its life before
  'ParametersOverflow', // aggregation made a value that the tensor's dtype cannot hold
] as const

/** Why a coordinator gives the job up. */
export const COORDINATOR_FAILURES = [
  ...RUN_FAILURES,
  'BadConfiguration',
  'BadCheckpoint',
  'BadRecord', // the record of spec.resumeFrom
  'StorageUnsuitable',
  'RecordDamaged',
  'CoordinatorFailed', // the run failed for no reason of the above; for the operator: the coordinator's Job failed
] as const

export const OPERATOR_FAILURES = ['StartDeadlineExceeded', 'DeadlineExceeded'] as const

export type RunFailureReason = (typeof RUN_FAILURES)[number]
export type CoordinatorFailure = (typeof COORDINATOR_FAILURES)[number]
export type OperatorFailure = (typeof OPERATOR_FAILURES)[number]
/** Why a job failed. */
export type FailureReason = CoordinatorFailure | OperatorFailure

/** The reason where a coordinator of this version may wait for it; undefined for any other text. */
export function coordinatorWait(reason: string | undefined): CoordinatorWait | undefined {
  return COORDINATOR_WAITS.find((known) => known === reason)
}

/** The reason where a coordinator of this version may fail for it; undefined for any other text. */
export function coordinatorFailure(reason: string | undefined): CoordinatorFailure | undefined {
  return COORDINATOR_FAILURES.find((known) => known === reason)
}
