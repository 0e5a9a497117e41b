// Buffers for updates: each has one holder at a time, and free buffers are bounded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpdateBuffers } from './update-buffers.ts'

test('a returned buffer is used again, by one holder', () => {
  const memory = createUpdateBuffers()
  const [a, b] = [memory.take(10), memory.take(10)]
  assert.notEqual(a, b)
  memory.giveBack(a)
  assert.equal(memory.take(10), a)
  assert.notEqual(memory.take(10), a)
})

test('another size drops the old buffers', () => {
  const memory = createUpdateBuffers()
  memory.giveBack(new Uint8Array(10))
  assert.equal(memory.take(20).length, 20)
  assert.equal(memory.take(10).length, 10)
  memory.giveBack(new Uint8Array(10))
  memory.giveBack(new Uint8Array(20))
  assert.equal(memory.take(10).length, 10)
})

test('free buffers are bounded', () => {
  const memory = createUpdateBuffers()
  const large: Uint8Array[] = Array.from({ length: 5 }, () => new Uint8Array(20 * 2 ** 20))
  for (const bytes of large) memory.giveBack(bytes)
  const again = large.map(() => memory.take(20 * 2 ** 20)).filter((bytes) => large.includes(bytes))
  assert.equal(again.length, 3)
})
