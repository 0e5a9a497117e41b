// Counts of a ledger: what they add up to, and that damage of any kind is seen.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  added,
  type CountedTask,
  decodeCounts,
  encodeCounts,
  isCounted,
  NO_COUNTS,
  usageOf,
} from './counts.ts'

const DAY = '2026-11-30'
const task = (run: string, digit: string, dataset = 'brain'): CountedTask => ({
  dataset,
  run,
  task: digit.repeat(64),
})
const UPDATE = { updates: 1, evaluations: 1 } as const

test('updates add up over all jobs, for each data set of its own', () => {
  let counts = added(NO_COUNTS, task('one', '1'), UPDATE, DAY)
  counts = added(counts, task('two', '1'), UPDATE, DAY)
  counts = added(counts, task('two', '2', 'heart'), { updates: 0, evaluations: 1 }, DAY)
  assert.deepEqual(usageOf(counts, 'brain', DAY), { updates: 2, evaluations: 2, updatesToday: 2 })
  assert.deepEqual(usageOf(counts, 'heart', DAY), { updates: 0, evaluations: 1, updatesToday: 0 })
  assert.deepEqual(usageOf(counts, 'other', DAY), { updates: 0, evaluations: 0, updatesToday: 0 })
})

test('a new day begins at zero, and a clock that was set back begins none', () => {
  let counts = added(NO_COUNTS, task('one', '1'), UPDATE, DAY)
  assert.equal(usageOf(counts, 'brain', '2026-12-01').updatesToday, 0)
  assert.equal(usageOf(counts, 'brain', '2026-11-29').updatesToday, 1)
  counts = added(counts, task('one', '2'), UPDATE, '2026-11-29')
  assert.deepEqual(usageOf(counts, 'brain', DAY), { updates: 2, evaluations: 2, updatesToday: 2 })
})

test('the last task of a run is known again, and an earlier one counts again', () => {
  let counts = added(NO_COUNTS, task('one', '1'), UPDATE, DAY)
  assert.ok(isCounted(counts, task('one', '1')))
  assert.ok(!isCounted(counts, task('two', '1')))
  assert.ok(!isCounted(counts, task('one', '1', 'heart')))
  counts = added(counts, task('one', '2'), UPDATE, DAY)
  assert.ok(!isCounted(counts, task('one', '1')))
})

test('the tasks of many runs stay bounded, and their counts do not fall', () => {
  let counts = NO_COUNTS
  for (let run = 0; run < 300; run++) counts = added(counts, task(`run-${run}`, '1'), UPDATE, DAY)
  assert.equal(counts.tasks.length, 256)
  assert.equal(usageOf(counts, 'brain', DAY).updates, 300)
  assert.deepEqual(decodeCounts(encodeCounts(counts)), counts)
})

test('no damaged ledger is read', () => {
  const good = Buffer.from(encodeCounts(added(NO_COUNTS, task('one', '1'), UPDATE, DAY)))
  assert.ok(decodeCounts(good))
  for (let at = 0; at < good.length; at++) {
    const flipped = Buffer.from(good)
    flipped[at]! ^= 1
    assert.equal(decodeCounts(flipped), undefined, `byte ${at}`)
    assert.equal(decodeCounts(good.subarray(0, at)), undefined, `${at} bytes`)
  }
  assert.equal(decodeCounts(Buffer.concat([good, Buffer.from(' ')])), undefined)
  assert.equal(decodeCounts(Buffer.alloc(good.length)), undefined)
})
