// How far the model on a backend is from the reference: every golden tensor of a case, as a list of measured errors with
// the error allowed. Promises: measures everything there is, so that the tests and the table of docs/fidelity.md say the
// same. Leaves judging to its callers.
import { toFloat32 } from '#protocol/half.ts'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import { type Checkpoint, readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { crossEntropy, diceLoss } from '#worker/model/segment-anything/loss.ts'
import {
  createSegmentAnything,
  type Prompted,
  type SegmentAnything,
} from '#worker/model/segment-anything/model.ts'
import type { Network } from '#worker/model/segment-anything/network.ts'
import { freshOptimizerState } from '#worker/model/segment-anything/optimizer.ts'
import { encodeSparse, gridPositions } from '#worker/model/segment-anything/prompt-encoder.ts'
import { embedPatches, neck, visionLayer } from '#worker/model/segment-anything/vision-encoder.ts'
import { createWeights } from '#worker/model/segment-anything/weights.ts'
import type { TensorFlow } from '#worker/tensorflow/backend.ts'
import { channelsLast, type Golden, goldenFolder, largestDifference, readGolden } from './golden.ts'

/** One comparison. `group` is its row in the documentation's table. */
export interface Measurement {
  readonly group: string
  readonly name: string
  readonly error: number
  readonly allowed: number
}

/**
 * The largest error that each group may have: absolute, or relative where the group's name says so. Each bound is about four
 * times the largest figure of docs/fidelity.md. The figures come from one processor; another one sums in another order.
 * Parameters have twice their figure. Rounding noise alone makes a gradient that is 0, so its bound has more room.
 */
const ALLOWED = {
  'image encoder': 4e-5,
  'prompt encoder': 1e-6,
  masks: 2e-5,
  'IoU scores': 5e-6,
  loss: 8e-6,
  'gradients, of the largest': 5e-5,
  'gradients that are 0': 1e-7,
  parameters: 2e-5,
  'masks after 20 steps': 1.5e-5,
  'federated losses': 5e-6,
  'federated parameters': 1.6e-5,
} as const
const LEARNING_RATE = 1e-4

/**
 * The softmax does not see a key's bias: its true gradient is 0, and Adam makes steps of up to the learning rate out of
 * rounding noise. Such tensors are held to that, 2 · steps · learning rate.
 */
export const isUndetermined = (name: string) => name.endsWith('k_proj.bias')

/** A case's golden files and the model on a backend. */
export interface Subject {
  readonly tf: TensorFlow
  readonly checkpoint: Checkpoint
  readonly model: SegmentAnything
  readonly inputs: Golden
  readonly expected: Golden
  readonly variants: Golden
}

export async function openSubject(tf: TensorFlow, caseName: string): Promise<Subject> {
  const checkpoint = await readCheckpoint(goldenFolder(caseName))
  const model = createSegmentAnything(tf, checkpoint.config, checkpoint.tensors)
  const [inputs, expected, variants] = ['inputs', 'expected', 'variants'].map((file) =>
    readGolden(caseName, file),
  )
  return { tf, checkpoint, model, inputs: inputs!, expected: expected!, variants: variants! }
}

/** The image encoder, stage by stage, and the final embeddings. */
export async function measureVision({
  tf,
  checkpoint,
  model,
  inputs,
  expected,
  variants,
}: Subject): Promise<Measurement[]> {
  const { config } = checkpoint
  const weights = createWeights(tf, checkpoint.tensors.values())
  const net: Network = { tf, config, weight: weights.tensor, values: weights.values, trains: () => false }
  const pixels = inputs.values('pixel_values')
  const side = config.vision.imageSize
  const measured: Measurement[] = []
  const compare = (name: string, found: ArrayLike<number>, wanted: ArrayLike<number>) =>
    measured.push(measurementOf('image encoder', name, largestDifference(found, wanted)))
  let rows = embedPatches(net, tf.tensor4d(pixels, [2, 3, side, side]))
  compare('after_pos_embed', await rows.data(), variants.values('vision/after_pos_embed'))
  for (let layer = 0; layer < config.vision.layers; layer++) {
    rows = visionLayer(net, rows, layer)
    compare(`after_layer_${layer}`, await rows.data(), variants.values(`vision/after_layer_${layer}`))
  }
  const wanted = channelsLast(
    expected.values('image_embeddings'),
    config.decoder.hiddenSize,
    config.grid ** 2,
  )
  compare('neck', await neck(net, rows).data(), wanted)
  compare('image_embeddings', await model.encodeImages(pixels, 2), wanted)
  weights.dispose()
  return measured
}

/** Positions, sparse and dense prompts. */
export async function measurePrompts({ tf, checkpoint, inputs, expected }: Subject): Promise<Measurement[]> {
  const { config } = checkpoint
  const width = config.decoder.hiddenSize
  const weights = createWeights(tf, checkpoint.tensors.values())
  const net: Network = { tf, config, weight: weights.tensor, values: weights.values, trains: () => false }
  const sparse = await encodeSparse(net, { boxes: inputs.values('input_boxes') }, 2).rows.data()
  const noMask = weights.values('prompt_encoder.no_mask_embed.weight')
  const found: [string, ArrayLike<number>, ArrayLike<number>][] = [
    [
      'image_positional_embeddings',
      gridPositions(net),
      channelsLast(expected.values('image_positional_embeddings'), width, config.grid ** 2),
    ],
    ['sparse_prompt_embeddings', sparse, expected.values('sparse_prompt_embeddings')],
    ['dense_prompt_embeddings_cell', [...noMask, ...noMask], expected.values('dense_prompt_embeddings_cell')],
  ]
  weights.dispose()
  return found.map(([name, values, wanted]) => {
    return measurementOf('prompt encoder', name, largestDifference(values, wanted))
  })
}

/** Masks and IoU of every combination of prompts. */
export async function measurePredictions(subject: Subject): Promise<Measurement[]> {
  const { model, inputs, expected, variants } = subject
  const embeddings = await model.encodeImages(inputs.values('pixel_values'), 2)
  const images = { images: 2, embeddings }
  const box = { boxes: inputs.values('input_boxes') }
  const points = { points: inputs.values('input_points'), labels: inputs.values('input_labels') }
  const requests: [string, Golden, Prompted & { multimask?: boolean }][] = [
    ['', expected, { ...images, ...box }],
    ['points_single/', variants, { ...images, ...points }],
    ['points_multi/', variants, { ...images, ...points, multimask: true }],
    ['points_and_box_multi/', variants, { ...images, ...points, ...box, multimask: true }],
    ['box_multi/', variants, { ...images, ...box, multimask: true }],
    [
      'two_boxes_single/',
      variants,
      { ...images, boxes: inputs.values('input_boxes_two'), promptsPerImage: 2 },
    ],
    ['box_and_mask_single/', variants, { ...images, ...box, masks: inputs.values('input_masks') }],
  ]
  const measured: Measurement[] = []
  for (const [prefix, golden, request] of requests) {
    const { lowResMasks, iouScores } = await model.predict(request)
    const pairs: [string, Float32Array][] = [
      ['pred_masks', lowResMasks],
      ['iou_scores', iouScores],
    ]
    for (const [name, values] of pairs) {
      const error = largestDifference(values, golden.values(prefix + name))
      measured.push(measurementOf(name === 'pred_masks' ? 'masks' : 'IoU scores', prefix + name, error))
    }
  }
  return measured
}

/** Loss, all gradients, and 20 Adam steps with their losses, parameters and final masks. The model changes. */
export async function measureTraining(subject: Subject): Promise<Measurement[]> {
  const { checkpoint, model, inputs, expected } = subject
  const names = exchangedTensors(['MaskDecoder'], [...checkpoint.tensors.keys()])
  const embeddings = await model.encodeImages(inputs.values('pixel_values'), 2)
  const images = { images: 2, embeddings, boxes: inputs.values('input_boxes') }
  const batch = { ...images, truth: inputs.values('ground_truth_masks') }
  const first = await model.gradients(batch, { names, loss: 'DiceCE' })
  const measured: Measurement[] = [
    measurementOf('loss', 'loss', Math.abs(first.loss - expected.values('loss')[0]!)),
    ...names.map((name) =>
      measureGradient(name, first.gradients.get(name)!, expected.values(`grad/${name}`)),
    ),
  ]
  const training = {
    names,
    loss: 'DiceCE' as const,
    optimizer: { type: 'Adam' as const, learningRate: LEARNING_RATE },
    state: freshOptimizerState(),
  }
  const [losses, dice, bce] = ['loss_history', 'dice_history', 'bce_history'].map((name) =>
    expected.values(name),
  )
  for (let step = 0; step <= 20; step++) {
    const parts = await lossParts(subject, batch)
    const errors = [
      parts.dice + parts.bce - losses![step]!,
      parts.bce - bce![step]!,
      ...parts.each.map((x, i) => x - dice![2 * step + i]!),
    ]
    const error = Math.max(...errors.map(Math.abs))
    measured.push(measurementOf('loss', `loss_history[${step}]`, error))
    if (expected.names.includes(`params_after_${step}/${names[0]}`))
      measured.push(...measureParameters(subject, step))
    if (step < 20) await model.trainStep(batch, training)
  }
  const { lowResMasks } = await model.predict(images)
  const error = largestDifference(lowResMasks, expected.values('pred_masks_after_20'))
  return [...measured, measurementOf('masks after 20 steps', 'pred_masks_after_20', error)]
}

/** A measurement that is held to its group's bound. */
export function measurementOf(group: keyof typeof ALLOWED, name: string, error: number): Measurement {
  return { group, name, error, allowed: ALLOWED[group] }
}

function measureGradient(name: string, found: Float32Array, wanted: Float32Array): Measurement {
  const difference = largestDifference(found, wanted)
  if (isUndetermined(name)) return measurementOf('gradients that are 0', name, difference)
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return measurementOf('gradients, of the largest', name, difference / largest)
}

/** All of the decoder's tensors, those that do not train included. */
function measureParameters({ checkpoint, model, expected }: Subject, steps: number): Measurement[] {
  const names = [...checkpoint.tensors.keys()].filter((name) => name.startsWith('mask_decoder.'))
  return model.getTensors(names).map((tensor) => {
    const { name } = tensor
    const error = largestDifference(toFloat32(tensor), expected.values(`params_after_${steps}/${name}`))
    if (isUndetermined(name))
      return { group: 'parameters without a gradient', name, error, allowed: 2 * steps * LEARNING_RATE }
    return { group: `parameters after ${steps}`, name, error, allowed: ALLOWED.parameters }
  })
}

/** Dice and cross entropy of the current model; `each` is one mask's Dice loss after the other. */
async function lossParts(
  { tf, model }: Subject,
  batch: Prompted & { truth: Float32Array },
): Promise<{ dice: number; bce: number; each: number[] }> {
  const { lowResMasks } = await model.predict(batch)
  const size = batch.truth.length / batch.images
  const rows = (values: Float32Array, from = 0, count = batch.images) =>
    tf.tensor2d(values.subarray(from * size, (from + count) * size), [count, size])
  const value = (compute: () => { dataSync(): ArrayLike<number> }) => tf.tidy(() => compute().dataSync()[0]!)
  const diceOf = (from: number, count: number) =>
    value(() => diceLoss(tf, rows(lowResMasks, from, count), rows(batch.truth, from, count)))
  return {
    dice: diceOf(0, batch.images),
    bce: value(() => crossEntropy(tf, rows(lowResMasks), rows(batch.truth))),
    each: Array.from({ length: batch.images }, (_, i) => diceOf(i, 1)),
  }
}
