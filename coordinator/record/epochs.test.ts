// A coordinator ends when the store has a newer epoch, or when it was asked to stop.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { createNotifier } from '#runtime/notifier.ts'
import { openEpochGuard } from './epochs.ts'

/** A guard over markers whose check of the store fails with `error` once a test sets it. */
function setUp() {
  const state: { error: Error | undefined; checks: number } = { error: undefined, checks: 0 }
  const stop = new AbortController()
  const notifier = createNotifier()
  const guard = openEpochGuard({
    markers: {
      async assertCurrent() {
        state.checks += 1
        if (state.error !== undefined) throw state.error
      },
    },
    clock: { now: () => 0, sleep: () => new Promise(setImmediate) },
    pollSeconds: 1,
    notifier,
    signal: stop.signal,
  })
  return { state, stop, notifier, guard }
}

const SUPERSEDED = new FedsamError('Superseded', 'a newer one has epoch 2')

test('a newer coordinator, once found, ends every later step and wakes the waiters', async () => {
  const { state, notifier, guard } = setUp()
  await guard.assertCurrent()
  guard.throwIfStopped()
  let isAwake = false
  const waiter = notifier.next().then(() => {
    isAwake = true
  })
  state.error = SUPERSEDED
  await assert.rejects(guard.assertCurrent(), SUPERSEDED)
  state.error = undefined
  assert.throws(() => guard.throwIfStopped(), SUPERSEDED)
  await waiter
  assert.equal(isAwake, true)
})

test('a store out of reach is no newer coordinator', async () => {
  const { state, guard } = setUp()
  state.error = new FedsamError('StorageUnreachable', 'the store is away')
  await assert.rejects(guard.assertCurrent(), { code: 'StorageUnreachable' })
  guard.throwIfStopped()
})

test('the watch continues while the store is away, and ends with the newer coordinator', async () => {
  const { state, stop, guard } = setUp()
  state.error = new FedsamError('StorageUnreachable', 'the store is away')
  const watching = guard.watch()
  while (state.checks < 3) await new Promise(setImmediate)
  state.error = SUPERSEDED
  const before = state.checks
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  stop.abort()
  await watching
  assert.equal(state.checks, before + 1, 'the watch has ended')
  assert.throws(() => guard.throwIfStopped(), SUPERSEDED)
})

test('a coordinator that was asked to stop is interrupted at the next step; being superseded comes first', async () => {
  const { state, stop, guard } = setUp()
  stop.abort()
  assert.throws(() => guard.throwIfStopped(), { code: 'Interrupted' })
  state.error = SUPERSEDED
  await assert.rejects(guard.assertCurrent(), SUPERSEDED)
  assert.throws(() => guard.throwIfStopped(), SUPERSEDED)
})
