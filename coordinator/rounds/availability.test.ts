import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AvailabilityInput, decideAvailability, enoughSince } from './availability.ts'

const INPUT: AvailabilityInput = {
  counted: ['a', 'b', 'c'],
  awaited: ['a', 'b', 'c'],
  present: ['a', 'b', 'c'],
  minAvailableClients: 2,
  availabilitySeconds: 100,
  settleSeconds: 10,
  lost: [],
  waited: 0,
  settled: 0,
}

describe('an attempt', () => {
  test('opens at once when every client is ready', () => {
    assert.deepEqual(decideAvailability(INPUT), { kind: 'Open' })
  })

  test('waits for the minimum as long as availabilitySeconds allow, then is abandoned', () => {
    const few = { ...INPUT, present: ['a'], settled: null }
    assert.deepEqual(decideAvailability({ ...few, waited: 30 }), {
      kind: 'Wait',
      seconds: 70,
      missing: ['b', 'c'],
    })
    assert.deepEqual(decideAvailability({ ...few, waited: 100 }), { kind: 'Abandon', missing: ['b', 'c'] })
  })

  test('with the minimum ready waits settleSeconds for the others, and opens without them', () => {
    const most = { ...INPUT, present: ['a', 'c'] }
    assert.deepEqual(decideAvailability({ ...most, settled: 4 }), {
      kind: 'Wait',
      seconds: 6,
      missing: ['b'],
    })
    assert.deepEqual(decideAvailability({ ...most, settled: 10 }), { kind: 'Open' })
  })

  test('does not wait for clients that the last attempt lost, and the minimum counts without them', () => {
    assert.deepEqual(decideAvailability({ ...INPUT, present: ['a', 'c'], lost: ['b'] }), { kind: 'Open' })
    const few = { ...INPUT, present: ['a'], lost: ['b', 'c'], settled: null }
    assert.equal(decideAvailability(few).kind, 'Wait')
  })

  test('that began to settle late is not abandoned for the time that it waited before', () => {
    assert.equal(decideAvailability({ ...INPUT, present: ['a', 'b'], waited: 500, settled: 1 }).kind, 'Wait')
  })

  test('waits for clients that only evaluate, but does not count them', () => {
    const public_ = { ...INPUT, counted: ['a', 'b'], awaited: ['a', 'b', 'public'] }
    assert.deepEqual(decideAvailability({ ...public_, present: ['a', 'b'], settled: 4 }), {
      kind: 'Wait',
      seconds: 6,
      missing: ['public'],
    })
    assert.deepEqual(decideAvailability({ ...public_, present: ['a', 'b'], settled: 10 }), { kind: 'Open' })
    const few = { ...public_, present: ['a', 'public'], settled: null }
    assert.deepEqual(decideAvailability({ ...few, waited: 100 }), { kind: 'Abandon', missing: ['b'] })
  })
})

test('the settle time begins when enough clients are ready, and begins again after there were too few', () => {
  assert.equal(enoughSince(null, false, 1), null)
  assert.equal(enoughSince(null, true, 2), 2)
  assert.equal(enoughSince(2, true, 5), 2)
  assert.equal(enoughSince(2, false, 6), null)
  assert.equal(enoughSince(null, true, 9), 9)
})
