// The decoder's last norm on rows of a small variance, where its epsilon decides the result.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromFloat32 } from '#protocol/half.ts'
import { goldenFolder } from '#test/fidelity/golden.ts'
import { loadBackend } from '#worker/tensorflow/backend.ts'
import { readCheckpoint } from './checkpoint.ts'
import { transform } from './mask-decoder.ts'
import type { Network } from './network.ts'
import { createWeights } from './weights.ts'

const FINAL = 'mask_decoder.transformer.final_attn_token_to_image.out_proj'
const LAST = 'mask_decoder.transformer.layer_norm_final_attn'
/** Standard deviation of the rows that reach the last norm: their variance is below its epsilon. */
const DEVIATION = 1e-3

test('the last norm divides by the root of the variance plus 1e-5, as PyTorch does by default', async () => {
  const { tf } = await loadBackend({ prefer: 'CPU' })
  const { config, tensors } = await readCheckpoint(goldenFolder('tiny-a'))
  const { layers, hiddenSize } = config.decoder
  const lastLayer = `mask_decoder.transformer.layers.${layers - 1}.layer_norm3`
  // Tokens leave the last layer with the deviation of its norm, and the final attention adds nothing.
  const constants: Readonly<Record<string, number>> = {
    [`${lastLayer}.weight`]: DEVIATION,
    [`${lastLayer}.bias`]: 0,
    [`${FINAL}.weight`]: 0,
    [`${FINAL}.bias`]: 0,
    [`${LAST}.weight`]: 1,
    [`${LAST}.bias`]: 0,
  }
  const changed = [...tensors.values()].map((tensor) => {
    const value = constants[tensor.name]
    if (value === undefined) return tensor
    const count = tensor.shape.reduce((product, size) => product * size, 1)
    return { ...tensor, dtype: 'F32' as const, data: fromFloat32(new Float32Array(count).fill(value), 'F32') }
  })
  assert.equal(changed.filter((tensor, i) => tensor !== [...tensors.values()][i]).length, 6)
  const weights = createWeights(tf, changed)
  const net: Network = { tf, config, weight: weights.tensor, values: weights.values, trains: () => false }
  const cells = config.grid ** 2
  const values = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i))
  const rows = (count: number) => tf.tensor2d(values(count * hiddenSize), [count, hiddenSize])
  const { tokens } = transform(net, {
    prompts: 1,
    image: rows(cells),
    positions: rows(cells),
    sparse: rows(2),
  })
  const found = (await tokens.data()) as Float32Array
  weights.dispose()
  const wanted = DEVIATION ** 2 / (DEVIATION ** 2 + 1e-5)
  for (let at = 0; at < found.length; at += hiddenSize) {
    const row = found.subarray(at, at + hiddenSize)
    const variance = row.reduce((sum, value) => sum + value * value, 0) / hiddenSize
    assert.ok(Math.abs(variance / wanted - 1) < 0.01, `${variance}, not ${wanted}`)
  }
})
