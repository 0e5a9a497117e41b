// A trainer's work called directly, without a process: for federations in one process.
import { FedsamError } from '#protocol/errors.ts'
import {
  leftState,
  messageFields,
  type Progress,
  parameterFields,
  type Trainer,
} from '#worker/trainer/seam.ts'
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
    async fit(tensors, output, parameters) {
      const { num_examples, metrics, state } = await orCancelled(
        work.fit({ id: 1, call: 'fit', tensors, output, ...parameterFields(parameters) }, report),
      )
      return { numExamples: num_examples, metrics, hasState: leftState(state, parameters) }
    },
    async evaluate(tensors, parameters) {
      const { loss, num_examples, metrics, state } = await orCancelled(
        work.evaluate({ id: 1, call: 'evaluate', tensors, ...parameterFields(parameters) }, report),
      )
      return { loss, numExamples: num_examples, metrics, hasState: leftState(state, parameters) }
    },
    async message(content, output, parameters) {
      if (work.message === undefined) throw new FedsamError('TrainerFailed', 'it takes no messages')
      const { error, state } = await orCancelled(
        work.message({ id: 1, call: 'message', content, output, ...messageFields(parameters) }, report),
      )
      return { error: error ?? null, hasState: leftState(state, parameters) }
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
