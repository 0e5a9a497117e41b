// Decides what follows when a run cannot continue: the coordinator waits, the run fails, or the process ends. One table by error
// code; pure.
//
// Wait, because the cause may be corrected while the coordinator waits: bus or store out of reach, access refused, a bucket that
// does not exist, a checkpoint or a record of resumeFrom that is missing, forbidden or out of reach, or a round of it that is not
// finished yet. Fail, because the job or the contents of the store would have to change: a wrong job, a record of another job,
// files that are not a checkpoint, a record of resumeFrom that cannot be used, a store without conditional writes, damaged
// markers, or a run that failed with its own reason. End, in all other cases: Kubernetes starts a new process.
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import type { CoordinatorFailure, CoordinatorWait } from '#protocol/reasons.ts'

export type Fault =
  | {
      readonly kind: 'Wait'
      readonly reason: CoordinatorWait
      readonly message: string
      /** Whether only a new process can read corrected credentials: they are variables of the process. */
      readonly bound: boolean
    }
  | { readonly kind: 'Fail'; readonly reason: CoordinatorFailure; readonly message: string }
  | { readonly kind: 'End' }

type Judgement =
  | { readonly wait: CoordinatorWait }
  | { readonly fail: CoordinatorFailure }
  /** The process ends: another process may succeed. */
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
  // For a run without a reason of its own.
  RunFailed: { fail: 'CoordinatorFailed' },
  BadData: 'End',
  ClusterUnreachable: 'End',
  Forbidden: 'End',
  Superseded: 'End',
  Refused: 'End',
  OtherVersion: 'End',
  SiteRefused: 'End',
  NoAccelerator: 'End',
  TrainerFailed: 'End',
  Silence: 'End',
  Interrupted: 'End',
}

/** The fields of an error of the S3 SDK that tell its kind (transport/store/s3/client.ts keeps the error as the cause). */
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
