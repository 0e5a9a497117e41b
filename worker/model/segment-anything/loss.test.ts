// Losses against their definitions written out in plain numbers, and gradients against central differences.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { loadBackend, type TensorFlow } from '#worker/tensorflow/backend.ts'
import { crossEntropy, diceLoss, focalLoss, maskLoss } from './loss.ts'

let tf: TensorFlow
before(async () => {
  ;({ tf } = await loadBackend({ prefer: 'CPU' }))
})

const LOGITS = [
  [0.3, -1.2, 2.5, 0.1],
  [-0.7, 4, -3, 0.6],
]
const TRUTH = [
  [1, 0, 1, 0],
  [0, 1, 0, 1],
]
const PIXELS = LOGITS.flatMap((row, mask) => row.map((z, i) => ({ z, g: TRUTH[mask]![i]! })))
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const entropy = ({ z, g }: { z: number; g: number }) => -Math.log(g === 1 ? sigmoid(z) : 1 - sigmoid(z))
const sum = (row: number[], of: (z: number, i: number) => number) =>
  row.reduce((total, z, i) => total + of(z, i), 0)

const DICE = mean(
  LOGITS.map((row, mask) => {
    const truth = TRUTH[mask]!
    const overlap = 2 * sum(row, (z, i) => sigmoid(z) * truth[i]!)
    const total = sum(row, (z) => sigmoid(z) ** 2) + sum(truth, (g) => g ** 2)
    return 1 - (overlap + 1e-5) / (total + 1e-5)
  }),
)
const CE = mean(PIXELS.map(entropy))
const FOCAL = mean(
  PIXELS.map((pixel) => (pixel.g === 1 ? 1 - sigmoid(pixel.z) : sigmoid(pixel.z)) ** 2 * entropy(pixel)),
)

const evaluate = (loss: typeof diceLoss, logits: number[][]) =>
  tf.tidy(() => loss(tf, tf.tensor2d(logits), tf.tensor2d(TRUTH)).dataSync()[0]!)

const LOSSES: [string, typeof diceLoss, number][] = [
  ['Dice of squared predictions', diceLoss, DICE],
  ['binary cross entropy', crossEntropy, CE],
  ['focal', focalLoss, FOCAL],
  ['DiceCE', (t, z, g) => maskLoss(t, 'DiceCE', z, g), DICE + CE],
  ['Dice', (t, z, g) => maskLoss(t, 'Dice', z, g), DICE],
  ['DiceFocal', (t, z, g) => maskLoss(t, 'DiceFocal', z, g), DICE + FOCAL],
]
for (const [name, loss, wanted] of LOSSES) {
  test(`${name}: value and gradient`, () => {
    assert.ok(Math.abs(evaluate(loss, LOGITS) - wanted) < 1e-6)
    const slope = tf
      .grad((z) => loss(tf, z as never, tf.tensor2d(TRUTH)))(tf.tensor2d(LOGITS))
      .dataSync()
    const step = 1e-2
    LOGITS.flat().forEach((_, place) => {
      const moved = (by: number) =>
        LOGITS.map((row, mask) => row.map((z, i) => z + (4 * mask + i === place ? by : 0)))
      const difference = (evaluate(loss, moved(step)) - evaluate(loss, moved(-step))) / (2 * step)
      assert.ok(
        Math.abs(slope[place]! - difference) < 1e-4,
        `${name}[${place}]: ${slope[place]} and ${difference}`,
      )
    })
  })
}

test('large logits and empty masks stay finite', () => {
  const extreme = [
    [1e4, -1e4, 1e4, -1e4],
    [-1e4, -1e4, -1e4, -1e4],
  ]
  for (const [, loss] of LOSSES) assert.ok(Number.isFinite(evaluate(loss, extreme)))
})
