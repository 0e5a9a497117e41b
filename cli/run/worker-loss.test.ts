// The watch ends a run only when a round waits for more workers than are left.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import { watchWorkerLoss } from './worker-loss.ts'

const INTERRUPTED = new FedsamError('Interrupted', 'the coordinator was asked to stop')

function watched(user = new AbortController()) {
  const reported: RunEvent[] = []
  const partitions = ['a', 'b', 'evaluator'].map((name) => ({ name, train: name !== 'evaluator' }))
  const run = {
    spec: { partitions },
    signal: user.signal,
    observe: (event: RunEvent) => reported.push(event),
  }
  return { reported, watch: watchWorkerLoss(run) }
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

test('a round that needs more workers than remain ends the run, whether the wait or the loss comes first', () => {
  for (const lossFirst of [true, false]) {
    const { watch, reported } = watched()
    if (lossFirst) watch.lost('a', 'no data')
    assert.equal(watch.signal.aborted, false)
    watch.observe(waiting('Train', 2))
    if (!lossFirst) watch.lost('a', 'no data')
    assert.equal(watch.signal.aborted, true)
    const error = watch.explain(INTERRUPTED)
    assert.ok(error instanceof FedsamError)
    assert.equal(error.code, 'RunFailed')
    assert.equal(error.message, '1 of 2 clients is left, and a round needs 2\na: no data')
    assert.deepEqual(reported.at(-1), {
      event: 'RunFailed',
      code: 'RunFailed',
      reason: 'TooFewClients',
      message: error.message,
    })
  }
})

test('the run continues: during the last evaluation, with enough workers, in an open attempt, without a worker that does not train', () => {
  const { watch } = watched()
  watch.observe(waiting('Train', 1))
  watch.lost('evaluator', 'gone')
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

test('explain keeps any other error, and an interruption by the user', () => {
  const user = new AbortController()
  const { watch } = watched(user)
  watch.observe(waiting('Train', 2))
  watch.lost('a', 'no data')
  const other = new FedsamError('StorageUnreachable', 'no disk')
  assert.equal(watch.explain(other), other)
  user.abort()
  assert.equal(watch.explain(INTERRUPTED), INTERRUPTED)
})
