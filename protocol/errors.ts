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
  | 'OtherVersion' // worker and coordinator are of releases that are too far apart to understand each other
  | 'SiteRefused' // a site does not allow what a job asks of it
  | 'NoAccelerator'
  | 'TrainerFailed'
  | 'Silence' // no coordinator was heard for silenceSeconds
  | 'RunFailed' // the run ended without a result; the record says why
  | 'Interrupted'

/** What to do about an error that names no remedy of its own. */
export const REMEDIES: Readonly<Record<ErrorCode, string>> = {
  InvalidJob: 'correct the job; fedsam plan reports every mistake in it',
  BadData: 'correct the data set; docs/data.md has the rules',
  BadCheckpoint: 'name a complete checkpoint, or download this one again',
  CheckpointUnavailable: 'check the address of the checkpoint, and the access to it',
  RecordUnavailable: 'check the address in spec.resumeFrom.prefix, and the access to it',
  BadRecord: 'restore that record from a copy, or name another one',
  OutputInUse: 'name another folder with --output',
  StorageUnsuitable: 'use a store that supports conditional writes, multipart uploads and ranged reads',
  StorageUnreachable: 'check the address of the store, and that this machine reaches it',
  MessagingUnreachable: 'check the address of the NATS server, and that this machine reaches it',
  ClusterUnreachable: 'check the kubeconfig and its context, and that this machine reaches the API server',
  Forbidden: 'ask for the missing right; kubectl auth can-i --list shows the rights that you have',
  RecordDamaged: 'list all damage with fedsam verify, and restore the damaged files from a copy',
  Superseded: 'leave the run to the newer coordinator',
  Refused: 'start the worker with the name and the token that the run knows',
  OtherVersion: 'upgrade the program with the lower version',
  SiteRefused: 'change the job, or ask the site to allow it in its site.yaml',
  NoAccelerator: 'use a machine with that accelerator, or another backend',
  TrainerFailed: "read the trainer's log",
  Silence: 'check that the coordinator runs, and that the worker reaches the NATS server',
  RunFailed: 'correct the cause, and run the job again: it resumes from its record',
  Interrupted: 'start it again: it resumes from its record',
}

/**
 * An error with a stable code. `message` says what happened and to what; `remedy` says what to do, in one sentence. An error without
 * one has the remedy of its code; it is empty where the message already says what to do.
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
    this.remedy = options.remedy ?? REMEDIES[code]
    this.reason = options.reason
  }
}
