// The one table of exit codes: what a pod's program tells the kubelet, and what the command line tells its caller. An error's
// code decides; podFailurePolicy is generated from POD_EXITS, and nothing reads a message.
import type { ErrorCode } from './errors.ts'

/** Why a pod's program ended. */
export type PodExit =
  | 'RunOver'
  | 'BadData'
  | 'NoAccelerator'
  | 'Retriable'
  | 'Refused'
  | 'OtherVersion'
  | 'BadConfiguration'
  | 'Superseded'
  | 'Silence'
  | 'AskedToStop'

/** What a Job does about an exit: Complete it, Count it against backoffLimit, Ignore it, or FailJob at once. */
export type OnPodExit = 'Complete' | 'Count' | 'Ignore' | 'FailJob'

/** Numbers are those of sysexits.h where it has the case, above them our own, and 128 + SIGTERM. */
export const POD_EXITS: Readonly<
  Record<PodExit, { readonly code: number; readonly action: OnPodExit; readonly meaning: string }>
> = {
  RunOver: {
    code: 0,
    action: 'Complete',
    meaning: 'the run is over, complete or failed: the record says which',
  },
  BadData: {
    code: 65,
    action: 'FailJob',
    meaning: "the partition's data cannot be used; trying again changes nothing",
  },
  NoAccelerator: {
    code: 69,
    action: 'Count',
    meaning: 'the device is there but cannot be used; another node may do better',
  },
  Retriable: { code: 75, action: 'Count', meaning: 'a failure that another try may cure' },
  // The same image would be refused again. The operator recreates the Job after a pause, with the images that it has then.
  OtherVersion: {
    code: 76,
    action: 'FailJob',
    meaning: 'worker and coordinator are of releases that are too far apart; another image helps',
  },
  // Counted, so that the Job's own back-off grows: a pod that is replaced at once would be refused at once.
  Refused: {
    code: 77,
    action: 'Count',
    meaning:
      'the coordinator does not accept this worker; another try helps once its token or the job is right',
  },
  BadConfiguration: {
    code: 78,
    action: 'FailJob',
    meaning: 'the job, or what it names, is wrong; trying again changes nothing',
  },
  Superseded: { code: 79, action: 'Ignore', meaning: 'a newer process does this work' },
  Silence: { code: 80, action: 'Count', meaning: 'no coordinator was heard for silenceSeconds' },
  // A trapped SIGTERM that exits 0 would complete the Job, and a plain delete carries no DisruptionTarget.
  AskedToStop: { code: 143, action: 'Ignore', meaning: 'SIGTERM: eviction, drain, suspension or deletion' },
}

/** What the command line tells its caller. */
export const CLI_EXITS = { Complete: 0, Failed: 1, Invalid: 2, Interrupted: 130 } as const

const EXITS: Readonly<Record<ErrorCode, { readonly pod: PodExit; readonly cli: keyof typeof CLI_EXITS }>> = {
  InvalidJob: { pod: 'BadConfiguration', cli: 'Invalid' },
  BadData: { pod: 'BadData', cli: 'Invalid' },
  BadCheckpoint: { pod: 'BadConfiguration', cli: 'Invalid' },
  CheckpointUnavailable: { pod: 'Retriable', cli: 'Invalid' },
  RecordUnavailable: { pod: 'Retriable', cli: 'Invalid' },
  BadRecord: { pod: 'BadConfiguration', cli: 'Invalid' },
  OutputInUse: { pod: 'BadConfiguration', cli: 'Invalid' },
  StorageUnsuitable: { pod: 'BadConfiguration', cli: 'Failed' },
  StorageUnreachable: { pod: 'Retriable', cli: 'Failed' },
  MessagingUnreachable: { pod: 'Retriable', cli: 'Failed' },
  ClusterUnreachable: { pod: 'Retriable', cli: 'Failed' },
  Forbidden: { pod: 'Retriable', cli: 'Failed' },
  RecordDamaged: { pod: 'BadConfiguration', cli: 'Failed' },
  Superseded: { pod: 'Superseded', cli: 'Failed' },
  Refused: { pod: 'Refused', cli: 'Failed' },
  OtherVersion: { pod: 'OtherVersion', cli: 'Failed' },
  SiteRefused: { pod: 'BadConfiguration', cli: 'Failed' },
  NoAccelerator: { pod: 'NoAccelerator', cli: 'Failed' },
  TrainerFailed: { pod: 'Retriable', cli: 'Failed' },
  Silence: { pod: 'Silence', cli: 'Failed' },
  RunFailed: { pod: 'RunOver', cli: 'Failed' },
  Interrupted: { pod: 'AskedToStop', cli: 'Interrupted' },
}

/** The exit code of a pod's program that ends with this error; Retriable for an error that is not ours. */
export function podExitCode(code: ErrorCode | undefined): number {
  return POD_EXITS[code === undefined ? 'Retriable' : EXITS[code].pod].code
}

/** The exit code of the command line that ends with this error; 1 for an error that is not ours. */
export function cliExitCode(code: ErrorCode | undefined): number {
  return CLI_EXITS[code === undefined ? 'Failed' : EXITS[code].cli]
}
