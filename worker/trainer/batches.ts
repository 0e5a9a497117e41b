// Builds one batch in plain arrays from prepared samples and their prompts.
import type { Random } from '#worker/data/random.ts'
import { type Box, jitterBox } from '#worker/data/samples.ts'
import type { Prompted } from '#worker/model/segment-anything/model.ts'
import { scaleBox } from '#worker/model/segment-anything/processor.ts'
import type { Prepared } from './prepared-samples.ts'

export interface PromptRule {
  readonly prompts: 'Box' | 'Points'
  /** Each side of the box moves outwards by up to this many pixels of the original picture, exclusive. */
  readonly boxJitterPixels: number
}

/** Images with one prompt each. */
export function promptedBatch(batch: readonly Prepared[], rule: PromptRule, random: Random): Prompted {
  const images = batch.length
  const first = batch[0]!.input
  const inputs =
    'pixels' in first
      ? { pixels: concatenate(batch.map(({ input }) => (input as { pixels: Float32Array }).pixels)) }
      : {
          embeddings: concatenate(
            batch.map(({ input }) => (input as { embeddings: Float32Array }).embeddings),
          ),
        }
  if (rule.prompts === 'Points') {
    const points = concatenate(batch.map((prepared) => Float32Array.from(objectPoint(prepared, random))))
    return { ...inputs, images, points, labels: new Array(images).fill(1) }
  }
  const boxes = concatenate(
    batch.map((prepared) => Float32Array.from(promptBox(prepared, rule.boxJitterPixels, random))),
  )
  return { ...inputs, images, boxes }
}

/** The true masks of a batch, [B, 4G, 4G]. */
export function truthOf(batch: readonly Prepared[]): Uint8Array {
  const side = batch[0]!.truth.length
  const truth = new Uint8Array(side * batch.length)
  batch.forEach((prepared, i) => {
    truth.set(prepared.truth, i * side)
  })
  return truth
}

function promptBox({ box, sizes, sample }: Prepared, jitter: number, random: Random): Box {
  return scaleBox(jitterBox(box, jitter, random, sample), [...sizes.original], [...sizes.reshaped])
}

/** A pixel of the object, drawn uniformly. */
function objectPoint({ sample, sizes }: Prepared, random: Random): [number, number] {
  const pixels = sample.mask.reduce((count, value) => count + (value === 0 ? 0 : 1), 0)
  let left = random.below(pixels)
  const index = sample.mask.findIndex((value) => value !== 0 && left-- === 0)
  const x = index % sample.width
  const y = Math.floor(index / sample.width)
  return [(x * sizes.reshaped[1]) / sizes.original[1], (y * sizes.reshaped[0]) / sizes.original[0]]
}

function concatenate(arrays: readonly Float32Array[]): Float32Array {
  const length = arrays.reduce((sum, array) => sum + array.length, 0)
  const out = new Float32Array(length)
  let at = 0
  for (const array of arrays) {
    out.set(array, at)
    at += array.length
  }
  return out
}
