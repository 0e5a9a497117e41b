// Overlap measures on masks small enough to count by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boxMask, dice, ellipseMask, iou } from './metrics.ts'

test('dice and intersection over union', () => {
  const a = Uint8Array.of(1, 1, 1, 0)
  const b = Uint8Array.of(0, 1, 1, 1)
  assert.equal(dice(a, b), 4 / 6)
  assert.equal(iou(a, b), 2 / 4)
  assert.deepEqual([dice(a, a), iou(a, a)], [1, 1])
  const empty = new Uint8Array(4)
  assert.deepEqual([dice(empty, empty), iou(empty, empty), dice(empty, a), iou(a, empty)], [1, 1, 0, 0])
  assert.throws(() => dice(a, new Uint8Array(3)), RangeError)
})

test('a box as a mask includes its last row and column, and stays in the picture', () => {
  assert.deepEqual([...boxMask([1, 1, 2, 1], 4, 3)], [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
  assert.deepEqual([...boxMask([-1, 1, 5, 9], 2, 2)], [0, 0, 1, 1])
})

test('an ellipse fills its box but for the corners', () => {
  assert.deepEqual([...ellipseMask([0, 0, 2, 2], 3, 3)], [1, 1, 1, 1, 1, 1, 1, 1, 1])
  assert.deepEqual([...ellipseMask([0, 0, 3, 3], 4, 4)], [0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0])
  const large = ellipseMask([10, 20, 109, 79], 120, 100)
  const area = large.reduce((sum, value) => sum + value, 0)
  assert.ok(Math.abs(area / (100 * 60) - Math.PI / 4) < 0.005)
})
