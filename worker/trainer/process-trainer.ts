// Runs a trainer in its own process, so that it may block for minutes, crash, or be killed. It makes one call of the seam at a
// time. The first call starts the process; after an end, the next call restarts it. Other output of the trainer goes to the log.
// On one machine the process is a child, in a pod it runs in another container: the guarantees are the same.
import { TRAINER_LIFE } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import { type ChildProgram, spawnChild } from '#runtime/children/child-process.ts'
import type { Link } from '#runtime/children/process-link.ts'
import { openSeamFolder, type SeamFolder } from './fifos.ts'
import { type LifeOptions, launch, type Running } from './process.ts'
import {
  type Answer,
  leftState,
  messageFields,
  type Progress,
  parameterFields,
  type Trainer,
  type TrainerCall,
} from './seam.ts'

export type ChildTrainerOptions = ChildProgram & LifeOptions

/** Time that a trainer has to end after the end of its input, and again after SIGTERM, before the next signal. Milliseconds. */
const LEAVING_MS = 2000
const TERMINATING_MS = 3000

/** A trainer in a child process, which starts with the first call. */
export function childTrainer(options: ChildTrainerOptions): Trainer {
  return trainerOver(() => spawnChild(options, TRAINER_LIFE.life), options)
}

/** A trainer in another container of the pod, behind the FIFOs of a folder. The first call creates the FIFOs. */
export function podTrainer(folder: string, options: LifeOptions & { readonly podEndMs?: number }): Trainer {
  let seam: SeamFolder | undefined
  let closed = false
  const trainer = trainerOver(() => {
    seam ??= openSeamFolder(folder, options.podEndMs)
    return seam.connect()
  }, options)
  return {
    ...trainer,
    async close(code = 0) {
      if (closed) return // the first exit code counts
      closed = true
      await seam?.leaveExit(code)
      await trainer.close()
      seam?.release()
    },
  }
}

/** A trainer over links. Each link is one life of its process; the first call after its end starts the next one. */
function trainerOver(connect: () => Link, options: LifeOptions): Trainer {
  let running: Running | null = null
  let progress: Progress | null = null
  let nextId = 1
  const start = (): Running => {
    if (running?.hasEnded() === false) return running
    progress = null
    running = launch(connect(), options, (line) => {
      progress = line
    })
    return running
  }
  const call = async <T extends Answer['type']>(
    wanted: T,
    make: (id: number) => TrainerCall,
  ): Promise<Extract<Answer, { type: T }>> => {
    const child = start()
    await child.ready
    progress = null
    const answer = await child.ask(make(nextId++)).finally(() => {
      progress = null
    })
    if (answer.type === wanted) return answer as Extract<Answer, { type: T }>
    throw new FedsamError(
      'TrainerFailed',
      `the trainer answered ${answer.type} to a call that needs the answer ${wanted}`,
    )
  }

  return {
    ready: () => start().ready,
    async getParameters(output) {
      await call('parameters', (id) => ({ id, call: 'get_parameters', output }))
    },
    async fit(tensors, output, parameters) {
      const fitted = await call('fitted', (id) => {
        return { id, call: 'fit', tensors, output, ...parameterFields(parameters) }
      })
      const { num_examples: numExamples, metrics, state } = fitted
      if (!Number.isFinite(numExamples)) throw noCount(numExamples)
      return { numExamples, metrics, hasState: leftState(state, parameters) }
    },
    async evaluate(tensors, parameters) {
      const evaluated = await call('evaluated', (id) => {
        return { id, call: 'evaluate', tensors, ...parameterFields(parameters) }
      })
      const { loss, num_examples: numExamples, metrics, state } = evaluated
      return { loss, numExamples, metrics, hasState: leftState(state, parameters) }
    },
    async message(content, output, parameters) {
      const { error, state } = await call('replied', (id) => {
        return { id, call: 'message', content, output, ...messageFields(parameters) }
      })
      return { error: error ?? null, hasState: leftState(state, parameters) }
    },
    progress: () => progress,
    async cancel() {
      running?.kill('its call was cancelled')
      await running?.ended
    },
    async close() {
      const child = running
      if (child === null || child.hasEnded()) return
      child.leave()
      const asked = setTimeout(() => child.terminate(), LEAVING_MS)
      const forced = setTimeout(() => child.kill('it did not end in time'), LEAVING_MS + TERMINATING_MS)
      await child.ended
      clearTimeout(asked)
      clearTimeout(forced)
    },
  }
}

function noCount(found: number): FedsamError {
  return new FedsamError('TrainerFailed', `fit answered num_examples ${found}, which is not a whole number`, {
    remedy: `return a whole number from 1 to ${MAX_NUM_EXAMPLES}`,
  })
}
