// One task that runs in the background while the client keeps asking. A later attempt at the same round can take the task over,
// or the client gives it up. Guarantees that every end, a failure included, becomes the state that the client reports next.
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { Have, Task } from '#protocol/messages.ts'
import { shortened } from '#protocol/text.ts'
import { RunDeclined } from './declined.ts'
import { messageWithRemedy } from './error-message.ts'
import { NotWanted } from './grants.ts'
import { LONGEST_TEXT } from './requests.ts'
import { doTask, isSameWork, type TaskContext } from './task.ts'

export interface BackgroundTask {
  /** The state that the client reports once the task has ended; never rejects. */
  readonly done: Promise<Have>
  /** Continues as `task` where both are the same work; false where they are not. */
  rename(task: Task): boolean
  /** Ends it as soon as possible, without waiting. */
  stop(): void
  /** Ends it, and waits until it has ended. */
  cancel(): Promise<void>
}

/** Starts a task in the background. */
export function startTask(context: TaskContext, first: Task): BackgroundTask {
  const stopping = new AbortController()
  let task = first
  const done = perform(context, () => task, stopping.signal)
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
      await context.trainer.cancel()
      await done
    },
  }
}

/** Does the task; a failure becomes the state that the client reports. */
async function perform(context: TaskContext, task: () => Task, signal: AbortSignal): Promise<Have> {
  const { trainer, log, folder } = context
  try {
    const { dataset } = await trainer.ready()
    const left = await doTask({
      ...context,
      task,
      signal,
      dataset,
      folder: join(folder, 'models'),
      scratch: folder,
      states: join(folder, 'states'),
    })
    return { state: 'Left', ...attemptOf(left) }
  } catch (error) {
    if (error instanceof NotWanted) {
      log(`round ${task().round}: dropped: ${error.message}`)
      return { state: 'Idle' }
    }
    if (error instanceof RunDeclined) {
      log(`declined from round ${task().round} on: ${error.message}`)
      return { state: 'Declined', message: shortened(error.message, LONGEST_TEXT) }
    }
    const code = error instanceof FedsamError ? error.code : 'TrainerFailed'
    const message = messageWithRemedy(error)
    log(`round ${task().round}: ${message}`)
    return { state: 'Failed', ...attemptOf(task()), code, message }
  }
}

function attemptOf({ round, attempt, epoch }: Task): { round: number; attempt: number; epoch: number } {
  return { round, attempt, epoch }
}
