// What the agent asks of the site's rules: whether to take part in a job, with which program, and whether to carry out a task. The agent
// starts nothing and fetches no model before the answer.
import type { Task } from '#protocol/messages.ts'
import type { RunRecord } from '#protocol/record.ts'
import type { JobName } from '#protocol/sites.ts'
import type { ChildProgram } from '#runtime/children/child-process.ts'

/** A job as its certified coordinator describes it. */
export interface AskedJob {
  readonly job: JobName
  readonly client: string
  /** The job's run.json, verified. */
  readonly record: RunRecord
}

/** Folders of this site for one run. */
export interface RunFolders {
  /** The base checkpoint; null where the job has none. */
  readonly checkpoint: string | null
  readonly scratch: string
}

export type Decision =
  | {
      readonly kind: 'Allowed'
      /** The site's own program, with nothing of the job in it that the site did not check. */
      program(folders: RunFolders): ChildProgram
      /** The task to carry out in place of this one. Rejects as admit of WorkerOptions does where a limit is reached. */
      admit(task: Task): Promise<Task>
    }
  | { readonly kind: 'Refused'; readonly reason: string }

export type Decide = (asked: AskedJob) => Promise<Decision>
