import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptedOutcome, countedExamples } from './limits.ts'

test('examples count up to the limit', () => {
  assert.equal(countedExamples(null, 2 ** 29), 2 ** 29)
  assert.equal(countedExamples(1000, 2 ** 29), 1000)
  assert.equal(countedExamples(1000, 1000), 1000)
  assert.equal(countedExamples(1000, 7), 7)
})

const NONE = { maxExamples: null, clipNorm: null }

test('an update within the limits is Accepted without a reason', () => {
  const accepted = { outcome: 'Accepted', reason: '', message: '' }
  assert.deepEqual(acceptedOutcome({ numExamples: 9, norm: 9 }, NONE), accepted)
  assert.deepEqual(acceptedOutcome({ numExamples: 9, norm: 9 }, { maxExamples: 9, clipNorm: 9 }), accepted)
  assert.deepEqual(acceptedOutcome({ numExamples: 9, norm: null }, { maxExamples: 9, clipNorm: 9 }), accepted)
})

test('a limited update says which of its figures count less', () => {
  assert.deepEqual(acceptedOutcome({ numExamples: 10, norm: 123456 }, { maxExamples: 9, clipNorm: 9.25 }), {
    outcome: 'Accepted',
    reason: 'Limited',
    message: 'it reports 10 examples, and 9 count; its norm of 123500 is clipped to 9.25',
  })
})
