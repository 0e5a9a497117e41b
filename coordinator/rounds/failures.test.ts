// The count of abandoned attempts: it grows from coordinator to coordinator, and begins again after a failed run or a change.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countFailure, isTooMany } from './failures.ts'

const NOW = { settings: 'a'.repeat(64), maxFailedRounds: 3 }

test('the count grows until the run fails', () => {
  const first = countFailure(null, NOW)
  const second = countFailure(first, NOW)
  const third = countFailure(second, NOW)
  assert.deepEqual(
    [first, second, third].map((failures) => [failures.count, isTooMany(failures)]),
    [
      [1, false],
      [2, false],
      [3, true],
    ],
  )
})

test('a failed run begins to count again, also with another number of attempts', () => {
  const failed = { ...countFailure(null, NOW), count: 3 }
  assert.equal(countFailure(failed, NOW).count, 1)
  assert.equal(countFailure(failed, { ...NOW, maxFailedRounds: 5 }).count, 1)
})

test('a job with changed settings begins to count again', () => {
  const before = countFailure(null, NOW)
  assert.equal(countFailure(before, { ...NOW, settings: 'b'.repeat(64) }).count, 1)
})

test('one attempt is allowed: the first one that is abandoned fails the run', () => {
  assert.equal(isTooMany(countFailure(null, { ...NOW, maxFailedRounds: 1 })), true)
})
