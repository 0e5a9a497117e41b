import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clipBound, clipFactor, lowerMedian } from './clipping.ts'

const FIXED = { norm: 10, medianMultiple: null }
const TRIPLE = { norm: null, medianMultiple: 3 }

const BOUNDS: readonly [
  what: string,
  rule: Parameters<typeof clipBound>[0],
  past: number[],
  present: number[],
  bound: number | null,
][] = [
  ['no rule clips nothing', null, [1], [2], null],
  ['a fixed norm needs no history', FIXED, [], [], 10],
  ['a multiple of the median of the past', TRIPLE, [1, 9, 2], [50], 6],
  ['without a past, of the present', TRIPLE, [], [4, 1e6, 5], 15],
  ['of two norms, the lower is the median', TRIPLE, [], [1e6, 2], 6],
  ['a norm of 0 says nothing about the size of updates', TRIPLE, [0, 0, 0, 7], [1], 21],
  ['a past of zeros is no past', TRIPLE, [0, 0], [5, 0], 15],
  ['no norm at all', TRIPLE, [], [0], null],
  ['the bound stays finite', TRIPLE, [1e308], [], Number.MAX_VALUE],
]
for (const [what, rule, past, present, bound] of BOUNDS)
  test(what, () => assert.equal(clipBound(rule, past, present), bound))

test('an update within the bound counts as it is; a longer one is scaled to the bound', () => {
  assert.equal(clipFactor(null, 1e9), 1)
  assert.equal(clipFactor(10, 10), 1)
  assert.equal(clipFactor(10, 0), 1)
  assert.equal(clipFactor(10, 40), 0.25)
})

test('the median of no values is null, and does not depend on their order', () => {
  assert.equal(lowerMedian([]), null)
  for (const values of [
    [10, 9, 1],
    [1, 10, 9],
  ])
    assert.equal(lowerMedian(values), 9)
})
