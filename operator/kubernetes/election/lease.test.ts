// Who may take a lease, by the clock of the process that reads it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { held, isFree, LEASE_TIMES, released, sight } from './lease.ts'

const NOW = Date.parse('2026-11-24T08:00:00Z')
const theirs = held(undefined, 'them', LEASE_TIMES, NOW)

test('its holder may take a lease, everyone when it was released, and others when it has not changed for its duration', () => {
  const seen = sight(undefined, theirs, 1000)
  assert.equal(isFree(seen, 'them', 1000), true)
  assert.equal(isFree(seen, 'us', 16_000), false)
  assert.equal(isFree(seen, 'us', 16_001), true)
  assert.equal(isFree(sight(undefined, released(theirs, NOW), 0), 'us', 0), true)
})

test('a lease expires by the time at which it was seen to change, not by the times in it', () => {
  const ancient = held(undefined, 'them', LEASE_TIMES, 0)
  assert.equal(isFree(sight(undefined, ancient, 1000), 'us', 1000), false)
  const again = sight(sight(undefined, theirs, 1000), { ...theirs }, 9000)
  assert.equal(again.seenAt, 1000)
  const renewed = sight(again, held(theirs, 'them', LEASE_TIMES, NOW + 2000), 9000)
  assert.equal(renewed.seenAt, 9000)
})

test('a renewal keeps acquireTime; a takeover increases leaseTransitions', () => {
  const renewed = held(theirs, 'them', LEASE_TIMES, NOW + 2000)
  assert.deepEqual([renewed.acquireTime, renewed.leaseTransitions], [theirs.acquireTime, 0])
  const ours = held(renewed, 'us', LEASE_TIMES, NOW + 20_000)
  assert.deepEqual([ours.acquireTime, ours.leaseTransitions], ['2026-11-24T08:00:20.000000Z', 1])
})
