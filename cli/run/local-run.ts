// The input of a run on this machine: the job, its files and where its output and its messages go. cli/commands/run.ts prepares it;
// local.ts and processes.ts run it.
import type { LocalFiles } from '#coordinator/settings/from-spec.ts'
import type { Observer } from '#protocol/events.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { CoordinatedJob } from '#transport/ports.ts'

export interface LocalRun {
  /** The job as it was written: what the record keeps. */
  readonly job: CoordinatedJob
  /** Its spec with folders of this machine. */
  readonly spec: CompleteFederatedJobSpec
  readonly files: LocalFiles
  /** The folder that relative commands run in: the job file's. */
  readonly folder: string
  /** What every trainer has in its environment: worker/trainer/trainer-environment.ts. */
  readonly env: Readonly<Record<string, string>>
  readonly output: string
  readonly observe: Observer
  readonly log: (client: string, line: string) => void
  readonly signal: AbortSignal
}
