// A trainer in a process of its own, so that it may block for minutes, crash, or be ended. The calls of the seam, one at a
// time; the process starts with the first one, and anew after it ended. What it prints besides is passed on as its log.
// On one machine the process is our child, in a pod it is another container's: the promises are the same.
import { FedsamError } from '#protocol/errors.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import { spawnTrainer, type TrainerProgram } from './child-process.ts'
import { openSeamFolder, type SeamFolder } from './fifos.ts'
import { type LifeOptions, launch, type Running } from './process.ts'
import type { Link } from './process-link.ts'
import { type Answer, dtypesField, type Progress, type Trainer, type TrainerCall } from './seam.ts'

export type ChildTrainerOptions = TrainerProgram & LifeOptions

/** How long a trainer that was told to leave may take before SIGTERM, and then before SIGKILL. Real milliseconds. */
const LEAVING_MS = 2000
const TERMINATING_MS = 3000

/** A trainer that is a child of ours; its process starts with the first call. */
export function childTrainer(options: ChildTrainerOptions): Trainer {
  return trainerOver(() => spawnTrainer(options), options)
}

/** A trainer in the container beside us, joined by the FIFOs of a folder, which are made by the first call. */
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
      if (closed) return // the first word counts
      closed = true
      await seam?.leaveExit(code)
      await trainer.close()
      seam?.release()
    },
  }
}

/** A trainer over links: each is a life of its process, the next one begins with the first call after its end. */
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
      `the trainer answered ${answer.type} where ${wanted} was asked for`,
    )
  }

  return {
    ready: () => start().ready,
    async getParameters(output) {
      await call('parameters', (id) => ({ id, call: 'get_parameters', output }))
    },
    async fit(tensors, output, config, dtypes) {
      const fitted = await call('fitted', (id) => {
        return { id, call: 'fit', tensors, output, config, ...dtypesField(dtypes) }
      })
      if (!Number.isFinite(fitted.num_examples)) throw noCount(fitted.num_examples)
      return { numExamples: fitted.num_examples, metrics: fitted.metrics }
    },
    async evaluate(tensors, config, dtypes) {
      const evaluated = await call('evaluated', (id) => {
        return { id, call: 'evaluate', tensors, config, ...dtypesField(dtypes) }
      })
      return { loss: evaluated.loss, numExamples: evaluated.num_examples, metrics: evaluated.metrics }
    },
    progress: () => progress,
    async cancel() {
      running?.kill('it was cancelled')
      await running?.ended
    },
    async close() {
      const child = running
      if (child === null || child.hasEnded()) return
      child.leave()
      const asked = setTimeout(() => child.terminate(), LEAVING_MS)
      const forced = setTimeout(() => child.kill('it did not leave'), LEAVING_MS + TERMINATING_MS)
      await child.ended
      clearTimeout(asked)
      clearTimeout(forced)
    },
  }
}

function noCount(found: number): FedsamError {
  return new FedsamError('TrainerFailed', `fit answered ${found} for num_examples, which is not a number`, {
    remedy: `answer a whole number from 1 to ${MAX_NUM_EXAMPLES}`,
  })
}
