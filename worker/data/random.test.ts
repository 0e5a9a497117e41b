// Seeded draws have pinned values, so that no release changes the draws of a seed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomFrom, shuffle } from './random.ts'

test('a seed gives the same draws in every release', () => {
  const random = randomFrom('seed')
  assert.deepEqual(
    Array.from({ length: 6 }, () => random.below(1000)),
    [884, 180, 52, 812, 543, 566],
  )
  assert.notEqual(randomFrom('other').below(2 ** 32), randomFrom('seed').below(2 ** 32))
})

test('draws cover the range evenly', () => {
  const random = randomFrom('even')
  const counts = new Array<number>(7).fill(0)
  for (let i = 0; i < 70_000; i++) counts[random.below(7)]! += 1
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, `${counts}`)
  const unit = randomFrom('unit').unit()
  assert.ok(unit >= 0 && unit < 1)
})

test('a shuffle keeps the items and leaves its input alone', () => {
  const items = Array.from({ length: 50 }, (_, i) => i)
  const shuffled = shuffle(items, randomFrom('a'))
  assert.notDeepEqual(shuffled, items)
  assert.deepEqual(
    shuffled.toSorted((a, b) => a - b),
    items,
  )
  assert.deepEqual(shuffle(items, randomFrom('a')), shuffled)
})
