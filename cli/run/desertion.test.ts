// A run ends for want of workers only where it waits for them in vain.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import { watchDesertion } from './desertion.ts'
import type { LocalRun } from './local.ts'

const INTERRUPTED = new FedsamError('Interrupted', 'the coordinator was asked to stop')

function watched(user = new AbortController()) {
  const told: RunEvent[] = []
  const partitions = ['a', 'b', 'onlooker'].map((name) => ({ name, train: name !== 'onlooker' }))
  const run = { spec: { partitions }, signal: user.signal, observe: (event: RunEvent) => told.push(event) }
  return { told, watch: watchDesertion(run as unknown as LocalRun) }
}

const waiting = (kind: 'Train' | 'Evaluate', needed: number): RunEvent => ({
  event: 'Waiting',
  round: 1,
  attempt: 1,
  kind,
  roster: [],
  available: [],
  missing: [],
  absent: [],
  needed,
})

test('a round that waits for more than are left ends the run, whichever is known first', () => {
  for (const lossFirst of [true, false]) {
    const { watch, told } = watched()
    if (lossFirst) watch.lost('a', 'no data')
    assert.equal(watch.signal.aborted, false)
    watch.observe(waiting('Train', 2))
    if (!lossFirst) watch.lost('a', 'no data')
    assert.equal(watch.signal.aborted, true)
    const error = watch.explain(INTERRUPTED)
    assert.ok(error instanceof FedsamError)
    assert.equal(error.code, 'RunFailed')
    assert.equal(error.message, 'of 2 clients 1 are left, a round needs 2\na: no data')
    assert.deepEqual(told.at(-1), {
      event: 'RunFailed',
      code: 'RunFailed',
      reason: 'TooFewClients',
      message: error.message,
    })
  }
})

test('a last evaluation, a round with enough, an attempt under way, and who does not train end nothing', () => {
  const { watch } = watched()
  watch.observe(waiting('Train', 1))
  watch.lost('onlooker', 'gone')
  watch.lost('a', 'gone')
  assert.equal(watch.signal.aborted, false)
  watch.observe({
    event: 'AttemptOpened',
    round: 1,
    attempt: 1,
    kind: 'Train',
    roster: [],
    cohort: [],
    evaluators: [],
    absent: [],
  })
  watch.lost('b', 'gone')
  watch.observe(waiting('Evaluate', 1))
  assert.equal(watch.signal.aborted, false)
})

test('any other end is told as it was, and so is the wish of the user', () => {
  const user = new AbortController()
  const { watch } = watched(user)
  watch.observe(waiting('Train', 2))
  watch.lost('a', 'no data')
  const other = new FedsamError('StorageUnreachable', 'no disk')
  assert.equal(watch.explain(other), other)
  user.abort()
  assert.equal(watch.explain(INTERRUPTED), INTERRUPTED)
})
