// The input of a run on this machine: the job, its files and where its output and its messages go. cli/commands/run.ts prepares it;
// local.ts and processes.ts run it.
import type { LocalFiles } from '#coordinator/settings/from-spec.ts'
import type { Observer } from '#protocol/events.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { CoordinatedJob } from '#transport/ports.ts'

export interface LocalRun {
  /** The job as the user wrote it; the record keeps it. */
  readonly job: CoordinatedJob
  /** Its spec with absolute folders of this machine. */
  readonly spec: CompleteFederatedJobSpec
  readonly files: LocalFiles
  /** The folder of the job file, in which commands run. */
  readonly folder: string
  /** The environment variables of every trainer (worker/trainer/trainer-environment.ts). */
  readonly env: Readonly<Record<string, string>>
  readonly output: string
  readonly observe: Observer
  readonly log: (client: string, line: string) => void
  /** Gets the public key that certifies this start's coordinators, before the run begins. */
  readonly onCertifier?: (publicKey: string) => void
  readonly signal: AbortSignal
}
