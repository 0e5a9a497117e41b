// A trainer's work called directly, without a process: for federations in one process.
import { FedsamError } from '#protocol/errors.ts'
import { dtypesField, type Progress, type Trainer } from '#worker/trainer/seam.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'

export function inProcessTrainer(work: TrainerWork): Trainer {
  let progress: Progress | null = null
  let cancelled = Promise.withResolvers<never>()
  cancelled.promise.catch(() => {})
  const report = (done: number, total: number, message = ''): void => {
    progress = { done, total, message }
  }
  const orCancelled = <T>(call: Promise<T>): Promise<T> => Promise.race([call, cancelled.promise])
  return {
    ready: async () => ({ dataset: work.dataset, backend: work.backend }),
    getParameters: (output) => orCancelled(work.getParameters(output)),
    async fit(tensors, output, config, dtypes) {
      const { num_examples, metrics } = await orCancelled(
        work.fit({ id: 1, call: 'fit', tensors, output, config, ...dtypesField(dtypes) }, report),
      )
      return { numExamples: num_examples, metrics }
    },
    async evaluate(tensors, config, dtypes) {
      const { loss, num_examples, metrics } = await orCancelled(
        work.evaluate({ id: 1, call: 'evaluate', tensors, config, ...dtypesField(dtypes) }, report),
      )
      return { loss, numExamples: num_examples, metrics }
    },
    progress: () => progress,
    async cancel() {
      cancelled.reject(new FedsamError('TrainerFailed', 'the work was cancelled'))
      cancelled = Promise.withResolvers<never>()
      cancelled.promise.catch(() => {})
    },
    close: async () => {},
  }
}
