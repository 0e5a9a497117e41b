// What becomes of a run that cannot go on: waited for, failed, or the process ends. One table, decided per error code; pure.
// Waited for, since somebody may cure it meanwhile: the bus cannot be reached or refuses us; the store cannot be reached, refuses
// us, or has no such bucket; a checkpoint is not there (repository, revision, object, folder, a key of its Secret), not allowed, or
// out of reach; the record of resumeFrom is not there, not allowed, out of reach, or has not finished the round yet. Failed, since the
// job or what lies in the store would have to be another: the job itself, a record of another job, files that are there and no
// checkpoint, a record of resumeFrom that cannot be used, a store without conditional writes, damaged markers, a run that failed
// (which says its own reason: too many failed rounds, a metric that nobody reports, values beyond their dtype). All else is
// not ours to judge: the process ends and is started again.
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import type { CoordinatorFailure, CoordinatorWait } from '#protocol/reasons.ts'

export type Fault =
  | {
      readonly kind: 'Wait'
      readonly reason: CoordinatorWait
      readonly message: string
      /** Credentials are variables of the process: a corrected Secret reaches only a new one. */
      readonly bound: boolean
    }
  | { readonly kind: 'Fail'; readonly reason: CoordinatorFailure; readonly message: string }
  | { readonly kind: 'End' }

type Judgement =
  | { readonly wait: CoordinatorWait }
  | { readonly fail: CoordinatorFailure }
  /** Not the coordinator's to judge: another process may do better. */
  | 'End'

const JUDGEMENTS: Readonly<Record<ErrorCode, Judgement>> = {
  MessagingUnreachable: { wait: 'MessagingUnreachable' },
  StorageUnreachable: { wait: 'StorageUnreachable' },
  CheckpointUnavailable: { wait: 'CheckpointUnavailable' },
  RecordUnavailable: { wait: 'RecordUnavailable' },
  InvalidJob: { fail: 'BadConfiguration' },
  OutputInUse: { fail: 'BadConfiguration' },
  BadCheckpoint: { fail: 'BadCheckpoint' },
  BadRecord: { fail: 'BadRecord' },
  StorageUnsuitable: { fail: 'StorageUnsuitable' },
  RecordDamaged: { fail: 'RecordDamaged' },
  // Where the run has no reason of its own.
  RunFailed: { fail: 'CoordinatorFailed' },
  BadData: 'End',
  ClusterUnreachable: 'End',
  Forbidden: 'End',
  Superseded: 'End',
  Refused: 'End',
  NoAccelerator: 'End',
  TrainerFailed: 'End',
  Silence: 'End',
  Interrupted: 'End',
}

/** How the S3 SDK names what its answers leave open (transport/store/s3/client.ts keeps it as the cause). */
interface Cause {
  readonly name?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

export function judgeFault(error: unknown): Fault {
  if (!(error instanceof FedsamError)) return { kind: 'End' }
  const message = [error.message, error.remedy].filter((text) => text !== '').join('; ')
  if (error.reason !== undefined) return { kind: 'Fail', reason: error.reason, message }
  const judgement = JUDGEMENTS[error.code]
  if (judgement === 'End') return { kind: 'End' }
  if ('fail' in judgement) return { kind: 'Fail', reason: judgement.fail, message }
  const { name, $metadata } = (error.cause ?? {}) as Cause
  const missing = error.code === 'StorageUnreachable' && name === 'NoSuchBucket'
  const refused = $metadata?.httpStatusCode === 401 || $metadata?.httpStatusCode === 403
  return {
    kind: 'Wait',
    reason: missing ? 'StorageMissing' : judgement.wait,
    message,
    bound: refused || name === 'CredentialsProviderError',
  }
}
