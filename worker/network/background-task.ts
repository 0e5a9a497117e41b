// Work under way: one task in the background, which can be renamed to a later attempt at the same round, or given up. What
// was made and could not be left (its attempt closed meanwhile) is kept for the next attempt at the same round.
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { Have, Task } from '#protocol/messages.ts'
import type { WorkerOptions } from './client.ts'
import { messageWithRemedy } from './failure.ts'
import { type AskGrants, NotWanted } from './granting.ts'
import { doTask, isSameWork, type Shelf } from './task.ts'

export interface Work {
  /** What the client has to say when the work has ended; never rejects. */
  readonly done: Promise<Have>
  /** Goes on as this task where it is the same work; false where it is not. */
  rename(task: Task): boolean
  /** Ends it as soon as possible, without waiting. */
  stop(): void
  /** Ends it, and waits until it has ended. */
  cancel(): Promise<void>
}

export type WorkOptions = Pick<
  WorkerOptions,
  'client' | 'incarnation' | 'transfers' | 'trainer' | 'folder' | 'log'
> & {
  readonly ask: AskGrants
  readonly shelf: Shelf
}

/** Begins a task. */
export function beginWork(options: WorkOptions, first: Task): Work {
  const stopping = new AbortController()
  let task = first
  const done = perform(options, () => task, stopping.signal)
  return {
    done,
    rename(later) {
      if (!isSameWork(task, later)) return false
      task = later
      return true
    },
    stop: () => stopping.abort(),
    async cancel() {
      stopping.abort()
      await options.trainer.cancel()
      await done
    },
  }
}

/** Does the work; what went wrong is what the client has to say. */
async function perform(options: WorkOptions, task: () => Task, signal: AbortSignal): Promise<Have> {
  const { trainer, log, folder } = options
  try {
    const { dataset } = await trainer.ready()
    const left = await doTask({
      ...options,
      task,
      signal,
      dataset,
      folder: join(folder, 'models'),
      scratch: folder,
    })
    return { state: 'Left', ...placeOf(left) }
  } catch (error) {
    if (error instanceof NotWanted) {
      log(`round ${task().round}: dropped: ${error.message}`)
      return { state: 'Idle' }
    }
    const code = error instanceof FedsamError ? error.code : 'TrainerFailed'
    const message = messageWithRemedy(error)
    log(`round ${task().round}: ${message}`)
    return { state: 'Failed', ...placeOf(task()), code, message }
  }
}

function placeOf({ round, attempt, epoch }: Task): { round: number; attempt: number; epoch: number } {
  return { round, attempt, epoch }
}
