// Errors that people meet: a stable code for programs, a sentence for people, and what to do about it.
// The code decides the exit code (protocol/exit-codes.ts); nothing ever parses the message.
import type { RunFailureReason } from './reasons.ts'

/** Every code that a FedSAM program reports. */
export type ErrorCode =
  | 'InvalidJob' // the job file, or what it names, is wrong: the user corrects it
  | 'BadData' // a partition's data cannot be used
  | 'BadCheckpoint' // a checkpoint is missing, damaged or of another shape
  | 'CheckpointUnavailable' // a checkpoint cannot be had now: not there, not allowed, out of reach
  | 'RecordUnavailable' // the record of spec.resumeFrom cannot be read now: missing, not allowed, out of reach
  | 'BadRecord' // the record of spec.resumeFrom is damaged, lacks what is needed, or does not fit the job
  | 'OutputInUse' // the output folder belongs to another job, or cannot be written
  | 'StorageUnsuitable' // the store does not keep a promise that the record rests on
  | 'StorageUnreachable'
  | 'MessagingUnreachable'
  | 'ClusterUnreachable' // the Kubernetes API does not answer, or not as the kubeconfig says
  | 'Forbidden' // the Kubernetes API refuses it to this caller
  | 'RecordDamaged' // bytes in the store do not fit the digest that names them
  | 'Superseded' // a newer coordinator has taken over
  | 'Refused' // the coordinator does not accept this worker
  | 'NoAccelerator'
  | 'TrainerFailed'
  | 'Silence' // no coordinator was heard for silenceSeconds
  | 'RunFailed' // the run ended without a result; the record says why
  | 'Interrupted'

/**
 * An error with a stable code. `message` says what happened and to what; `remedy` says what to do, in one sentence.
 */
export class FedsamError extends Error {
  override readonly name = 'FedsamError'
  readonly code: ErrorCode
  readonly remedy: string
  /** Of RunFailed alone. */
  readonly reason: RunFailureReason | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { remedy?: string; cause?: unknown; reason?: RunFailureReason } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.remedy = options.remedy ?? ''
    this.reason = options.reason
  }
}
