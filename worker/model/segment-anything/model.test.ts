// The model's guarantees beyond golden numbers: every tensor is freed, only named tensors change, batches and prompts do not
// affect each other, and every trainable part has the gradient that central differences give.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fromFloat32, toFloat32 } from '#protocol/half.ts'
import { exchangedTensors, type TrainablePart } from '#protocol/segment-anything.ts'
import { goldenFolder, largestDifference, readGolden } from '#test/fidelity/golden.ts'
import { type BackendName, loadBackend, type TensorFlow } from '#worker/tensorflow/backend.ts'
import { readCheckpoint } from './checkpoint.ts'
import { maskLoss } from './loss.ts'
import { createSegmentAnything, type SegmentAnything, type TrainingBatch } from './model.ts'
import { freshOptimizerState } from './optimizer.ts'

const inputs = readGolden('tiny-a', 'inputs')
const checkpoint = await readCheckpoint(goldenFolder('tiny-a'))
const NAMES = [...checkpoint.tensors.keys()]
const pixels = inputs.values('pixel_values')
const boxes = inputs.values('input_boxes')
const truth = inputs.values('ground_truth_masks')

let tf: TensorFlow
let model: SegmentAnything
let embeddings: Float32Array
async function open(backend: BackendName): Promise<void> {
  ;({ tf } = await loadBackend({ prefer: backend }))
  model = createSegmentAnything(tf, checkpoint.config, checkpoint.tensors)
  embeddings = await model.encodeImages(pixels, 2)
}
before(() => open('Wasm'))
after(() => model.dispose())

const training = (parts: TrainablePart[]) => {
  const names = exchangedTensors(parts, NAMES)
  const optimizer = { type: 'Adam' as const, learningRate: 1e-4 }
  return { names, loss: 'DiceCE' as const, optimizer, state: freshOptimizerState() }
}

test('steps, predictions and a changed model free all their tensors', async () => {
  const batch = { images: 2, embeddings, boxes, truth }
  const decoder = training(['MaskDecoder'])
  const round = async () => {
    await model.trainStep(batch, decoder)
    await model.predict({ images: 2, embeddings, boxes, multimask: true })
    await model.encodeImages(pixels, 2)
    model.setTensors(model.getTensors(decoder.names))
    await model.predict(batch)
  }
  await round()
  const { numTensors, numBytes } = tf.memory()
  for (let i = 0; i < 3; i++) await round()
  assert.deepEqual([tf.memory().numTensors, tf.memory().numBytes], [numTensors, numBytes])
})

test('disposing frees everything', async () => {
  const before = tf.memory().numTensors
  const other = createSegmentAnything(tf, checkpoint.config, checkpoint.tensors)
  await other.predict({ images: 2, embeddings, boxes })
  assert.ok(tf.memory().numTensors > before)
  other.dispose()
  assert.equal(tf.memory().numTensors, before)
})

test('a step changes only the named tensors', async () => {
  const fresh = createSegmentAnything(tf, checkpoint.config, checkpoint.tensors)
  const decoder = training(['MaskDecoder'])
  await fresh.trainStep({ images: 2, embeddings, boxes, truth }, decoder)
  const moved = fresh.getTensors(NAMES).filter((tensor, i) => {
    return largestDifference(toFloat32(tensor), toFloat32(checkpoint.tensors.get(NAMES[i]!)!)) > 0
  })
  assert.deepEqual(moved.map(({ name }) => name).sort(), decoder.names)
  fresh.dispose()
})

test('a batch gives the results of its samples, and two prompts give two predictions', async () => {
  const two = inputs.values('input_boxes_two')
  const together = await model.predict({ images: 2, embeddings, boxes: two, promptsPerImage: 2 })
  const size = together.lowResMasks.length / 4
  for (let prompt = 0; prompt < 4; prompt++) {
    const image = prompt >> 1
    const alone = await model.predict({
      images: 1,
      embeddings: embeddings.subarray((image * embeddings.length) / 2, ((image + 1) * embeddings.length) / 2),
      boxes: two.subarray(4 * prompt, 4 * prompt + 4),
    })
    const part = together.lowResMasks.subarray(prompt * size, (prompt + 1) * size)
    assert.ok(largestDifference(alone.lowResMasks, part) < 1e-5)
  }
})

test('an unknown or misshapen tensor is rejected', () => {
  const name = 'mask_decoder.iou_token.weight'
  const [token] = model.getTensors([name])
  const rejects = (change: object, message: string) =>
    assert.throws(() => model.setTensors([{ ...token!, ...change }]), {
      code: 'BadCheckpoint',
      message,
      remedy: 'Use parameters of a model with the same config.json.',
    })
  rejects({ name: 'nothing' }, 'The model has no tensor named nothing.')
  rejects({ shape: [32, 1] }, `Tensor ${name} has shape [32,1], but the model's has [${token!.shape}].`)
})

const half = (values: Float32Array) => values.subarray(0, values.length / 2)
const one = { images: 1, pixels: half(pixels), truth: half(truth) }
const box = { boxes: half(boxes) }
const points = { points: half(inputs.values('input_points')), labels: half(inputs.values('input_labels')) }
// The decoder's gradients are golden (fidelity-*.test.ts); these have no golden values.
const CASES: [TrainablePart, string, TrainingBatch][] = [
  ['PromptEncoder', 'points', { ...one, ...points }],
  ['PromptEncoder', 'a box and a mask', { ...one, ...box, masks: half(inputs.values('input_masks')) }],
  ['VisionEncoder', 'a box', { ...one, ...box }],
]
for (const [part, prompts, batch] of CASES)
  test(`${part} with ${prompts}: gradients equal central differences`, async () => {
    const { gradients } = await model.gradients(batch, {
      names: exchangedTensors([part], NAMES),
      loss: 'DiceCE',
    })
    const [largest] = [...gradients.values()].map(length).sort((a, b) => b - a)
    const notable = [...gradients].filter(([, gradient]) => length(gradient) > largest! / 10)
    assert.ok(notable.length > 1)
    for (const [name, gradient] of notable) {
      const slope = await slopeAlong(batch, name, gradient)
      const off = Math.abs(slope / length(gradient) - 1)
      assert.ok(
        off < 0.01,
        `${name}: the loss has slope ${slope}, the gradient’s length is ${length(gradient)}`,
      )
    }
  })

/** The loss's slope when a tensor moves along its gradient: its length, if the gradient is right. */
async function slopeAlong(batch: TrainingBatch, name: string, gradient: Float32Array): Promise<number> {
  const [original] = model.getTensors([name])
  const lossAt = async (distance: number) => {
    const by = distance / length(gradient)
    const values = toFloat32(original!).map((value, i) => value + by * gradient[i]!)
    model.setTensors([{ ...original!, data: fromFloat32(values, 'F32') }])
    const { lowResMasks } = await model.predict(batch)
    const rows = (pixelsOf: ArrayLike<number>) =>
      tf.tensor2d(Float32Array.from(pixelsOf), [1, pixelsOf.length])
    return tf.tidy(() => maskLoss(tf, 'DiceCE', rows(lowResMasks), rows(batch.truth)).dataSync()[0]!)
  }
  const slopeOver = async (distance: number) =>
    ((await lossAt(distance)) - (await lossAt(-distance))) / (2 * distance)
  // Richardson: two distances cancel the curve's third order, which is notable at distances above rounding.
  const slope = (4 * (await slopeOver(0.005)) - (await slopeOver(0.01))) / 3
  model.setTensors([original!])
  return slope
}

const length = (values: Float32Array) => Math.hypot(...values)
