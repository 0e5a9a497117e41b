import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outliersOf } from './outliers.ts'

const NAMES = ['a', 'b', 'c', 'd']
const decision = (norms: (number | null)[], losses: number[] = []) => ({
  updates: norms.map((norm, i) => ({ client: NAMES[i]!, attempt: 1, receipt: '', numExamples: 1, norm })),
  evaluations: losses.map((loss, i) => ({
    client: NAMES[i]!,
    receipt: '',
    loss,
    numExamples: 1,
    metrics: {},
  })),
})

test('a norm or a loss above ten times the median is far from the others', () => {
  assert.deepEqual(outliersOf(decision([1, 2, 21, 3], [0.5, 6, 0.4])), [
    { client: 'c', measure: 'Norm', value: 21, median: 2 },
    { client: 'b', measure: 'Loss', value: 6, median: 0.5 },
  ])
})

test('ten times the median is not far', () => {
  assert.deepEqual(outliersOf(decision([1, 1, 10], [1, 1, 10])), [])
})

test('of two clients, nothing shows which one is usual', () => {
  assert.deepEqual(outliersOf(decision([1, 1000], [1, 1000])), [])
  assert.deepEqual(outliersOf(decision([1, null, 1000])), [])
})

test('a median of 0 or below is no measure', () => {
  assert.deepEqual(outliersOf(decision([0, 0, 5], [-1, -1, 5])), [])
})

test('a client that evaluated nothing has no loss', () => {
  const { updates, evaluations } = decision([], [1, 1, 1, 1000])
  const empty = evaluations.map((one) => (one.client === 'd' ? { ...one, numExamples: 0 } : one))
  assert.deepEqual(outliersOf({ updates, evaluations: empty }), [])
})
