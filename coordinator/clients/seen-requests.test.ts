// Requests that somebody sends again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeenRequests } from './seen-requests.ts'

test('a number counts once in each life of each client, in any order within the window', () => {
  const seen = createSeenRequests()
  for (const number of [1, 3, 2, 200, 100]) assert.ok(seen.take('a', 'life', number), `${number}`)
  for (const number of [1, 2, 3, 100, 200, 72])
    assert.equal(seen.take('a', 'life', number), false, `${number}`)
  assert.ok(seen.take('a', 'life', 73))
  assert.ok(seen.take('a', 'other', 1))
  assert.ok(seen.take('b', 'life', 1))
})

test('the largest number costs nothing, and leaves no room for smaller ones', () => {
  const seen = createSeenRequests()
  for (let number = 1; number < 1000; number += 1) assert.ok(seen.take('a', 'life', number))
  assert.equal(seen.take('a', 'life', 999), false)
  assert.ok(seen.take('a', 'life', 2 ** 53 - 1))
  assert.equal(seen.take('a', 'life', 1000), false)
})

test('an old life whose numbers were dropped is refused', () => {
  const seen = createSeenRequests()
  for (let life = 0; life < 100; life += 1) assert.ok(seen.take('a', `life-${life}`, 1))
  assert.equal(seen.take('a', 'life-0', 2), false)
  assert.ok(seen.take('a', 'life-99', 2))
})
