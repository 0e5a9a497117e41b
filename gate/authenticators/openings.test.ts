// The bound on connections of one key: what counts, what is forgotten, and that one key takes nothing from another.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOpenings } from './openings.ts'

test('64 openings within a minute pass, more do not; after the minute the key may open again', () => {
  const time = { now: 0 }
  const mayOpen = createOpenings(() => time.now)
  const opened = () => Array.from({ length: 100 }, () => mayOpen('a')).filter(Boolean).length
  assert.equal(opened(), 64)
  assert.equal(mayOpen('b'), true)
  time.now = 59.9
  assert.equal(opened(), 0)
  time.now = 60
  assert.equal(opened(), 64)
})

test('a line that breaks every second is within the bound', () => {
  const time = { now: 0 }
  const mayOpen = createOpenings(() => time.now)
  for (; time.now < 600; time.now += 1) assert.equal(mayOpen('a'), true)
})
