// Optimizers on three numbers, against PyTorch's formulas worked out by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshOptimizerState, type OptimizerSettings, optimizerStep } from './optimizer.ts'

/** Values after steps with these gradients, starting from 1. */
function after(settings: OptimizerSettings, gradients: number[]): number {
  const state = freshOptimizerState()
  const values = Float32Array.of(1)
  for (const gradient of gradients)
    optimizerStep(settings, state, [{ name: 'w', values, gradient: Float32Array.of(gradient) }])
  return values[0]!
}
const near = (found: number, wanted: number) =>
  assert.ok(Math.abs(found - wanted) < 1e-6, `${found}, not ${wanted}`)

test('Adam: the first step has the learning rate’s length, the second follows both moments', () => {
  near(after({ type: 'Adam', learningRate: 0.1 }, [4]), 0.9)
  // m = 0.9·0.4 + 0.1·(-2) = 0.16, v = 0.999·0.016 + 0.001·4 = 0.019984; corrected by 0.19 and 0.001999.
  near(
    after({ type: 'Adam', learningRate: 0.1 }, [4, -2]),
    0.9 - (0.1 * 0.16) / 0.19 / Math.sqrt(0.019984 / 0.001999),
  )
  near(after({ type: 'Adam', learningRate: 0.1 }, [0]), 1)
})

test('Adam adds decay to the gradient, AdamW shrinks the weight', () => {
  near(after({ type: 'Adam', learningRate: 0.1, weightDecay: 0.5 }, [0]), 0.9)
  near(after({ type: 'AdamW', learningRate: 0.1, weightDecay: 0.5 }, [0]), 0.95)
  near(after({ type: 'AdamW', learningRate: 0.1 }, [4]), 0.999 - 0.1)
})

test('SGD, with and without momentum and decay', () => {
  near(after({ type: 'SGD', learningRate: 0.1 }, [4, -2]), 1 - 0.4 + 0.2)
  near(after({ type: 'SGD', learningRate: 0.1, momentum: 0.5 }, [4, -2]), 1 - 0.4 - 0)
  near(after({ type: 'SGD', learningRate: 0.1, weightDecay: 0.5 }, [0]), 0.95)
})

test('moments belong to names, in any order of the tensors', () => {
  const settings: OptimizerSettings = { type: 'Adam', learningRate: 0.1 }
  const run = (orders: string[][]) => {
    const state = freshOptimizerState()
    const values = { a: Float32Array.of(1), b: Float32Array.of(2) } as Record<string, Float32Array>
    const gradients = { a: Float32Array.of(3), b: Float32Array.of(-0.1) } as Record<string, Float32Array>
    for (const order of orders)
      optimizerStep(
        settings,
        state,
        order.map((name) => ({ name, values: values[name]!, gradient: gradients[name]! })),
      )
    return values
  }
  assert.deepEqual(
    run([
      ['a', 'b'],
      ['b', 'a'],
    ]),
    run([
      ['a', 'b'],
      ['a', 'b'],
    ]),
  )
})
