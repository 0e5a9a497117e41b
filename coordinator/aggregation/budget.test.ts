import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_BYTES } from '#protocol/digest.ts'
import type { TensorList } from '#protocol/tensors.ts'
import { type FoldDemand, memoryOf, sliceBytes } from './budget.ts'

const demand = (changes: Partial<FoldDemand> = {}): FoldDemand => {
  const list: TensorList = [{ name: 'w', shape: [100_000_000], dtype: 'F32', rule: 'Optimise' }]
  return { list, columns: 1, vectors: 0, ...changes }
}

test('with enough memory, slices are whole digest blocks, and at most LARGEST_SLICE', () => {
  assert.equal(sliceBytes(demand(), 2 ** 29), BLOCK_BYTES)
  assert.equal(sliceBytes(demand(), 2 ** 40), BLOCK_BYTES)
})

test('the chosen slice fits, and the next larger one does not', () => {
  for (const given of [
    demand({ columns: 100 }),
    demand({ vectors: 2 }),
    demand({ columns: 12, vectors: 1 }),
  ]) {
    for (const memoryBytes of [40e6, 60e6, 120e6]) {
      const slice = sliceBytes(given, memoryBytes)
      assert.ok(memoryOf(given, slice) <= memoryBytes)
      const larger = 2 * slice
      assert.ok(slice === BLOCK_BYTES || memoryOf(given, larger) > memoryBytes, `${slice} of ${memoryBytes}`)
    }
  }
})

test('the memory of a fold: five reads, two slices as bytes, each column as f64, and three of each state vector', () => {
  const asBytes = 5 * BLOCK_BYTES + 2 * BLOCK_BYTES
  const column = 2 * BLOCK_BYTES // F32 as f64
  assert.equal(memoryOf(demand(), BLOCK_BYTES), asBytes + column)
  assert.equal(memoryOf(demand({ columns: 4 }), BLOCK_BYTES), asBytes + 4 * column)
  assert.equal(memoryOf(demand({ vectors: 2 }), BLOCK_BYTES), asBytes + 7 * column)
})

test('too little memory is refused, and the error names the least memory', () => {
  const given = demand({ columns: 1000 })
  const least = memoryOf(given, BLOCK_BYTES / 64)
  assert.equal(sliceBytes(given, least), BLOCK_BYTES / 64)
  assert.throws(() => sliceBytes(given, least - 1), {
    code: 'InvalidJob',
    message: new RegExp(`needs ${least}$`),
  })
})
