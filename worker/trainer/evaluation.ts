// Evaluates a model on held-out images. The prompt is the true box, or a seeded point of the object; the mask has the original
// size.
import { dice, iou } from '#worker/data/metrics.ts'
import { randomFrom } from '#worker/data/random.ts'
import { type LossName, maskLoss } from '#worker/model/segment-anything/loss.ts'
import type { SegmentAnything } from '#worker/model/segment-anything/model.ts'
import { postprocessMask } from '#worker/model/segment-anything/processor.ts'
import type { TensorFlow } from '#worker/tensorflow/backend.ts'
import { promptedBatch } from './batches.ts'
import type { Prepared } from './prepared-samples.ts'

export interface EvaluationOptions {
  readonly prompts: 'Box' | 'Points'
  readonly loss: LossName
  readonly tf: TensorFlow
  readonly report: (done: number, total: number, message?: string) => void
}

/** Mean loss (at the decoder's resolution), Dice and IoU (at the original size) over the samples. */
export async function evaluateSamples(
  model: SegmentAnything,
  samples: readonly Prepared[],
  options: EvaluationOptions,
): Promise<{ loss: number; num_examples: number; metrics: { dice: number; iou: number } }> {
  const sums = { loss: 0, dice: 0, iou: 0 }
  for (const [i, prepared] of samples.entries()) {
    const { logits, mask } = await predictMask(model, prepared, options.prompts)
    sums.loss += await lossOf(options, logits, prepared.truth)
    sums.dice += dice(mask, prepared.sample.mask)
    sums.iou += iou(mask, prepared.sample.mask)
    options.report(i + 1, samples.length, 'evaluation')
  }
  const count = Math.max(samples.length, 1)
  const metrics = { dice: sums.dice / count, iou: sums.iou / count }
  return { loss: sums.loss / count, num_examples: samples.length, metrics }
}

/** The single mask of one sample: low-resolution logits [4G, 4G], and 0/1 at the original size [height, width]. */
export async function predictMask(
  model: SegmentAnything,
  prepared: Prepared,
  prompts: 'Box' | 'Points',
): Promise<{ logits: Float32Array; mask: Uint8Array }> {
  // An image has the same prompt in every evaluation, so that rounds can be compared.
  const random = randomFrom(`evaluation:${prepared.sample.stem}`)
  const request = promptedBatch([prepared], { prompts, boxJitterPixels: 0 }, random)
  const { lowResMasks } = await model.predict(request)
  const { original, reshaped } = prepared.sizes
  const sizes = { original: [...original] as [number, number], reshaped: [...reshaped] as [number, number] }
  return { logits: lowResMasks, mask: postprocessMask(lowResMasks, sizes, prepared.processor) }
}

async function lossOf(
  { tf, loss }: EvaluationOptions,
  logits: Float32Array,
  truth: Uint8Array,
): Promise<number> {
  const value = tf.tidy(() =>
    maskLoss(
      tf,
      loss,
      tf.tensor2d(logits, [1, logits.length]),
      tf.tensor2d(Float32Array.from(truth), [1, truth.length]),
    ),
  )
  const [number] = await value.data()
  value.dispose()
  return number!
}
