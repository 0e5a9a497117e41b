// The decoder's pixel order: a small grid by hand, and there and back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromNested, nestedOrder, toNested } from './nested-masks.ts'

test('a cell’s sixteen pixels are adjacent, in blocks of 2×2', () => {
  assert.deepEqual([...nestedOrder(1)], [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15])
  // The second cell of the first row starts four pixels to the right; the third cell four rows below.
  const order = nestedOrder(2)
  assert.deepEqual([order[16], order[32], order[63]], [4, 32, 63])
})

test('masks of several prompts and channels return to their places', () => {
  const order = nestedOrder(3)
  const masks = Float32Array.from({ length: 2 * order.length }, (_, i) => i)
  assert.deepEqual(fromNested(toNested(masks, order), order, 1), masks)
  // Two prompts with three masks each: mask last in nested order, first but one in rows.
  const wanted = Float32Array.from({ length: 6 * order.length }, (_, i) => i)
  const perMask = Array.from({ length: 6 }, (_, i) =>
    toNested(wanted.subarray(i * order.length, (i + 1) * order.length), order),
  )
  const nested = Float32Array.from({ length: wanted.length }, (_, i) => {
    const [mask, place, prompt] = [i % 3, Math.floor(i / 3) % order.length, Math.floor(i / 3 / order.length)]
    return perMask[prompt * 3 + mask]![place]!
  })
  assert.deepEqual(fromNested(nested, order, 3), wanted)
})
