// Local training on a real model: the order of each epoch, the reported loss, and training that diverges.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import { goldenFolder, readGolden } from '#test/fidelity/golden.ts'
import { readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { createSegmentAnything, type SegmentAnything } from '#worker/model/segment-anything/model.ts'
import { loadBackend } from '#worker/tensorflow/backend.ts'
import { evaluateSamples } from './evaluation.ts'
import { type FitOptions, fitSamples } from './fitting.ts'
import type { Prepared } from './prepared-samples.ts'

const inputs = readGolden('tiny-a', 'inputs')
const checkpoint = await readCheckpoint(goldenFolder('tiny-a'))
const { tf } = await loadBackend({ prefer: 'Wasm' })
const names = exchangedTensors(['MaskDecoder'], [...checkpoint.tensors.keys()])
const SIDE = checkpoint.config.vision.imageSize

let model: SegmentAnything
let samples: Prepared[]

before(async () => {
  model = createSegmentAnything(tf, checkpoint.config, checkpoint.tensors)
  const embeddings = await model.encodeImages(inputs.values('pixel_values'), 2)
  samples = ['a', 'b', 'c', 'd', 'e'].map((stem, i) => prepared(stem, i, embeddings))
})
after(() => model.dispose())

/** A sample with one of the two golden images, its own square as object, and its stem as name. */
function prepared(stem: string, i: number, embeddings: Float32Array): Prepared {
  const mask = new Uint8Array(SIDE * SIDE)
  const [from, to] = [8 * i, 8 * i + 40]
  for (let y = from; y < to; y += 1) mask.fill(1, y * SIDE + from, y * SIDE + to)
  const half = embeddings.length / 2
  const low = 4 * checkpoint.config.grid
  const truth = Uint8Array.from({ length: low * low }, (_, at) => {
    const [x, y] = [((at % low) * SIDE) / low, (Math.floor(at / low) * SIDE) / low]
    return x >= from && x < to && y >= from && y < to ? 1 : 0
  })
  const image = { width: SIDE, height: SIDE, data: new Uint8Array(3 * SIDE * SIDE) }
  const embedded = embeddings.slice((i % 2) * half, (i % 2) * half + half)
  return {
    sample: { stem, image, mask, width: SIDE, height: SIDE },
    sizes: { original: [SIDE, SIDE], reshaped: [SIDE, SIDE] },
    box: [from, from, to, to],
    truth,
    input: { embeddings: embedded },
  } as unknown as Prepared
}

interface Step {
  readonly truth: string
  readonly boxes: string
  readonly loss: number
  readonly images: number
}

const OPTIONS = {
  epochs: 3,
  batchSize: 2,
  loss: 'DiceCE',
  optimizer: 'Adam',
  learningRate: 1e-3,
  shuffle: true,
  prompts: 'Box',
  boxJitterPixels: 4,
  names: [],
  seed: 'seed',
  report: () => {},
} as unknown as FitOptions

/** Trains the real model, and records input and result of each step. */
async function fit(change: Partial<FitOptions> = {}): Promise<{ steps: Step[]; train_loss: number }> {
  model.setTensors([...checkpoint.tensors.values()].filter(({ name }) => names.includes(name)))
  const steps: Step[] = []
  const noted: SegmentAnything = {
    ...model,
    async trainStep(batch, training) {
      const loss = await model.trainStep(batch, training)
      const text = (values: ArrayLike<number>) =>
        Buffer.from(Float32Array.from(values).buffer).toString('base64')
      steps.push({ truth: text(batch.truth), boxes: text(batch.boxes!), loss, images: batch.images })
      return loss
    },
  }
  const { train_loss } = await fitSamples(noted, samples, { ...OPTIONS, names, ...change })
  return { steps, train_loss }
}

describe('epochs', () => {
  test('have their own order and prompts, the same for the same seed', async () => {
    const { steps } = await fit()
    const epochs = [0, 3, 6].map((at) => steps.slice(at, at + 3))
    assert.equal(steps.length, 9)
    for (const part of ['truth', 'boxes'] as const) {
      const seen = new Set(epochs.map((epoch) => epoch.map((step) => step[part]).join()))
      assert.equal(seen.size, 3, `each epoch has ${part} of its own`)
    }
    const again = await fit()
    assert.deepEqual(again.steps, steps)
    const other = await fit({ seed: 'other' })
    assert.notDeepEqual(
      other.steps.map(({ truth }) => truth),
      steps.map(({ truth }) => truth),
    )
  })

  test('keep the order of the samples where they are not shuffled', async () => {
    const { steps } = await fit({ shuffle: false })
    const truths = steps.map(({ truth }) => truth)
    assert.deepEqual(truths.slice(3, 6), truths.slice(0, 3))
  })
})

test('the reported loss is the mean of the last epoch, each batch weighted by its images', async () => {
  const { steps, train_loss } = await fit()
  const wanted = steps.slice(6).reduce((sum, { loss, images }) => sum + (loss * images) / samples.length, 0)
  assert.deepEqual(
    steps.slice(6).map(({ images }) => images),
    [2, 2, 1],
  )
  assert.ok(Math.abs(train_loss - wanted) < 1e-12, `${train_loss}, not ${wanted}`)
})

test('training that diverges ends at once and names the step and the learning rate', async () => {
  await assert.rejects(fit({ learningRate: 1e30, optimizer: 'SGD', epochs: 20 }), {
    code: 'TrainerFailed',
    message: /^training diverged: the loss is (NaN|-?Infinity) at step \d+ of 60, in epoch \d+$/,
    remedy: 'lower spec.trainer.segmentAnything.learningRate, which is 1e+30',
  })
})

test('an evaluation without images has the weight 0', async () => {
  const options = { prompts: 'Box', loss: 'DiceCE', tf, report: () => {} } as const
  assert.equal((await evaluateSamples(model, [], options)).num_examples, 0)
})
