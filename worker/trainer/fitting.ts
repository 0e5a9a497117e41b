// Local training: epochs of seeded, shuffled batches with one prompt per image, from a given state of the optimizer. Guarantees that diverging
// training ends at once, with the step and the learning rate in the error.
import { FedsamError } from '#protocol/errors.ts'
import { randomFrom, shuffle } from '#worker/data/random.ts'
import type { SegmentAnything, Training } from '#worker/model/segment-anything/model.ts'
import { freshOptimizerState, type OptimizerState } from '#worker/model/segment-anything/optimizer.ts'
import { promptedBatch, truthOf } from './batches.ts'
import type { Prepared } from './prepared-samples.ts'
import type { SegmentAnythingSettings } from './settings.ts'

export interface FitOptions extends SegmentAnythingSettings {
  readonly names: readonly string[]
  /** The seed of the shuffling and of the box jitter. */
  readonly seed: string
  /** The optimizer's state to go on from, which the training changes in place; absent, a new one. */
  readonly state?: OptimizerState
  readonly report: (done: number, total: number, message?: string) => void
}

/**
 * Trains in place; resolves to the mean loss of the last epoch's batches, weighted by their size. Throws TrainerFailed where a
 * batch's loss is not finite.
 */
export async function fitSamples(
  model: SegmentAnything,
  samples: readonly Prepared[],
  options: FitOptions,
): Promise<{ train_loss: number }> {
  const { epochs, batchSize, names, loss, optimizer, learningRate, report } = options
  const training: Training = {
    names,
    loss,
    optimizer: { type: optimizer, learningRate },
    state: options.state ?? freshOptimizerState(),
  }
  const steps = epochs * Math.ceil(samples.length / batchSize)
  let done = 0
  let mean = 0
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    const random = randomFrom(`${options.seed}:epoch:${epoch}`)
    const order = options.shuffle ? shuffle(samples, random) : [...samples]
    mean = 0
    for (let at = 0; at < order.length; at += batchSize) {
      const batch = order.slice(at, at + batchSize)
      const value = await model.trainStep(
        { ...promptedBatch(batch, options, random), truth: truthOf(batch) },
        training,
      )
      if (!Number.isFinite(value)) throw diverged(value, { done, steps, epoch, learningRate })
      mean += (value * batch.length) / order.length
      done += 1
      report(done, steps, `epoch ${epoch}/${epochs}, loss ${value.toFixed(4)}`)
    }
  }
  return { train_loss: mean }
}

interface Position {
  /** Completed steps, and steps of the whole call. */
  readonly done: number
  readonly steps: number
  readonly epoch: number
  readonly learningRate: number
}

function diverged(loss: number, { done, steps, epoch, learningRate }: Position): FedsamError {
  return new FedsamError(
    'TrainerFailed',
    `training diverged: the loss is ${loss} at step ${done + 1} of ${steps}, in epoch ${epoch}`,
    { remedy: `lower spec.trainer.segmentAnything.learningRate, which is ${learningRate}` },
  )
}
