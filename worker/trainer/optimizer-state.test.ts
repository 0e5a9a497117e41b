// The optimizer's moments come back from the client's state bit for bit; a file of another trainer is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import {
  freshOptimizerState,
  type OptimizerState,
  optimizerStep,
} from '#worker/model/segment-anything/optimizer.ts'
import { readOptimizerState, writeOptimizerState } from './optimizer-state.ts'

const ELEMENTS = new Map([
  ['w', 3],
  ['never trained', 5],
])

function after(
  steps: number,
  type: 'Adam' | 'AdamW' | 'SGD',
  state = freshOptimizerState(),
): [OptimizerState, Float32Array] {
  const values = new Float32Array(3)
  for (let step = 0; step < steps; step += 1)
    optimizerStep({ type, learningRate: 0.1, momentum: 0.9 }, state, [
      { name: 'w', values, gradient: Float32Array.of(1, -2, 0.3) },
    ])
  return [state, values]
}

for (const type of ['Adam', 'AdamW', 'SGD'] as const)
  test(`${type}: a file holds what the next step needs, bit for bit`, () => {
    const [state] = after(7, type)
    const bytes = writeOptimizerState(type, state)
    const back = readOptimizerState(type, bytes, ELEMENTS)
    assert.equal(back.steps, 7)
    assert.deepEqual(writeOptimizerState(type, back), bytes)
    assert.deepEqual(after(1, type, back)[1], after(1, type, after(7, type)[0])[1])
  })

describe('another file is refused', () => {
  const [state] = after(2, 'Adam')
  const bytes = writeOptimizerState('Adam', state)
  const tensors = readSafetensors(bytes)
  const cases: readonly (readonly [what: string, bytes: Uint8Array, says: RegExp])[] = [
    ['that is no safetensors file', new Uint8Array(9), /does not hold the moments/],
    [
      'without a number of steps',
      writeSafetensors(tensors.filter(({ name }) => name !== 'steps')),
      /no steps/,
    ],
    [
      'without second moments',
      writeSafetensors(tensors.filter(({ name }) => name !== 'second.w')),
      /no second\.w of 3 F32/,
    ],
    [
      'with another tensor',
      writeSafetensors([...tensors, { name: 'x', shape: [0], dtype: 'F32', data: new Uint8Array(0) }]),
      /it also has x/,
    ],
    [
      'of another model',
      writeOptimizerState('Adam', { steps: 1, moments: new Map([['v', state.moments.get('w')!]]) }),
      /trains no v/,
    ],
    ['after no step', writeOptimizerState('Adam', freshOptimizerState()), /counts 0 steps/],
  ]
  for (const [what, found, message] of cases)
    test(what, () => {
      assert.throws(() => readOptimizerState('Adam', found, ELEMENTS), { code: 'TrainerFailed', message })
    })

  test('of SGD by Adam, and of Adam by SGD', () => {
    const [plain] = after(2, 'SGD')
    assert.throws(
      () => readOptimizerState('Adam', writeOptimizerState('SGD', plain), ELEMENTS),
      /no second\.w/,
    )
    assert.throws(() => readOptimizerState('SGD', bytes, ELEMENTS), /it also has second\.w/)
  })
})
