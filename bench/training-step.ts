// Processor time of one decoder training step, by backend and batch size, on the golden model tiny-b (64 channels, grid
// 16). Processor time and not the clock, so that a busy machine disturbs it less.
// Usage: node bench/training-step.ts TensorFlow|Wasm|CPU [checkpoint folder]
import { parseArgs } from 'node:util'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import { goldenFolder } from '#test/fidelity/golden.ts'
import { readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { createSegmentAnything } from '#worker/model/segment-anything/model.ts'
import { freshOptimizerState } from '#worker/model/segment-anything/optimizer.ts'
import { type BackendName, loadBackend } from '#worker/tensorflow/backend.ts'

const WARM_UP = 5
const STEPS = 50

const { positionals } = parseArgs({ allowPositionals: true })
const prefer = (positionals[0] ?? 'TensorFlow') as BackendName
const { tf, reason } = await loadBackend({ prefer })
const { config, tensors } = await readCheckpoint(positionals[1] ?? goldenFolder('tiny-b'))
const model = createSegmentAnything(tf, config, tensors)
const names = exchangedTensors(['MaskDecoder'], [...tensors.keys()])
console.log(reason)
for (const images of [2, 4, 8]) {
  const { imageSize } = config.vision
  const pixels = Float32Array.from({ length: images * 3 * imageSize ** 2 }, (_, i) => Math.sin(i))
  const corners = [0.25, 0.25, 0.75, 0.75].map((part) => part * imageSize)
  const batch = {
    images,
    embeddings: await model.encodeImages(pixels, images),
    boxes: Float32Array.from({ length: 4 * images }, (_, i) => corners[i % 4]!),
    truth: Uint8Array.from({ length: images * 16 * config.grid ** 2 }, (_, i) => (i >> 3) & 1),
  }
  const optimizer = { type: 'Adam' as const, learningRate: 1e-5 }
  const training = { names, loss: 'DiceCE' as const, optimizer, state: freshOptimizerState() }
  for (let step = 0; step < WARM_UP; step++) await model.trainStep(batch, training)
  const before = process.cpuUsage()
  for (let step = 0; step < STEPS; step++) await model.trainStep(batch, training)
  const { user, system } = process.cpuUsage(before)
  console.log(`batch ${images}: ${((user + system) / STEPS / 1000).toFixed(0)} ms of processor time a step`)
}
model.dispose()
