// A trainer in a process of its own, so that it may block for minutes, crash, or be ended. The calls of the seam, one at a
// time; the process starts with the first one, and anew after it ended. What it prints besides is passed on as its log.
import { FedsamError } from '#protocol/errors.ts'
import { type ChildTrainerOptions, launch, type Running } from './process.ts'
import type { Answer, Progress, Trainer, TrainerCall } from './seam.ts'

export type { ChildTrainerOptions } from './process.ts'

/** How long a trainer that was told to leave may take. Real milliseconds. */
const LEAVING_MS = 2000

/** The trainer; its process starts with the first call. */
export function childTrainer(options: ChildTrainerOptions): Trainer {
  let running: Running | null = null
  let progress: Progress | null = null
  let nextId = 1
  const start = (): Running => {
    if (running?.hasEnded() === false) return running
    running = launch(options, (line) => {
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
    async fit(tensors, output, config) {
      const fitted = await call('fitted', (id) => ({ id, call: 'fit', tensors, output, config }))
      return { numExamples: fitted.num_examples, metrics: fitted.metrics }
    },
    async evaluate(tensors, config) {
      const evaluated = await call('evaluated', (id) => ({ id, call: 'evaluate', tensors, config }))
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
      const timer = setTimeout(() => child.kill('it did not leave'), LEAVING_MS)
      await child.ended
      clearTimeout(timer)
    },
  }
}
