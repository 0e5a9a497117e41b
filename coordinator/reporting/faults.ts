// What becomes of a run that cannot go on: waited for, failed, or the process ends. One table, decided per error code; pure.
// Waited for, since somebody may cure it meanwhile: the bus cannot be reached or refuses us; the store cannot be reached, refuses
// us, or has no such bucket; a checkpoint is not there (repository, revision, object, folder, a key of its Secret), not allowed, or
// out of reach; the same of the record to start from. Failed, since the job or what lies in the store would have to be another: the job itself, a record of another job,
// files that are there and no checkpoint, a store without conditional writes, damaged markers, a run that failed (which says its own
// reason: too many failed rounds, a metric that nobody reports, values beyond their dtype). All else is
// not ours to judge: the process ends and is started again.
import type { FailureReason, WaitingReason } from '#protocol/conditions.ts'
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'

export type Fault =
  | {
      readonly kind: 'Wait'
      readonly reason: WaitingReason
      readonly message: string
      /** Credentials are variables of the process: a corrected Secret reaches only a new one. */
      readonly bound: boolean
    }
  | { readonly kind: 'Fail'; readonly reason: FailureReason; readonly message: string }
  | { readonly kind: 'End' }

const WAITS: { readonly [K in ErrorCode]?: WaitingReason } = {
  MessagingUnreachable: 'MessagingUnreachable',
  StorageUnreachable: 'StorageUnreachable',
  CheckpointUnavailable: 'CheckpointUnavailable',
  RecordUnavailable: 'RecordUnavailable',
}

const FAILS: { readonly [K in ErrorCode]?: FailureReason } = {
  InvalidJob: 'BadConfiguration',
  OutputInUse: 'BadConfiguration',
  BadCheckpoint: 'BadCheckpoint',
  BadRecord: 'BadRecord',
  StorageUnsuitable: 'StorageUnsuitable',
  RecordDamaged: 'RecordDamaged',
  // Where it does not say its own reason.
  RunFailed: 'CoordinatorFailed',
}

/** How the S3 SDK names what its answers leave open (transport/store/s3/client.ts keeps it as the cause). */
interface Cause {
  readonly name?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

export function judgeFault(error: unknown): Fault {
  if (!(error instanceof FedsamError)) return { kind: 'End' }
  const message = [error.message, error.remedy].filter((text) => text !== '').join('; ')
  const failure = error.reason ?? FAILS[error.code]
  if (failure !== undefined) return { kind: 'Fail', reason: failure, message }
  const reason = WAITS[error.code]
  if (reason === undefined) return { kind: 'End' }
  const { name, $metadata } = (error.cause ?? {}) as Cause
  const missing = error.code === 'StorageUnreachable' && name === 'NoSuchBucket'
  const refused = $metadata?.httpStatusCode === 401 || $metadata?.httpStatusCode === 403
  return {
    kind: 'Wait',
    reason: missing ? 'StorageMissing' : reason,
    message,
    bound: refused || name === 'CredentialsProviderError',
  }
}
