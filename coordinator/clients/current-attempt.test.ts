// The state that requests are answered from: each change wakes the requests that wait, and each report takes the granted bytes
// once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNotifier } from '#runtime/notifier.ts'
import { createCurrentAttempt, type ServedAttempt } from './current-attempt.ts'

const ATTEMPT = {} as ServedAttempt

test('opening, closing and finishing wake the waiting requests', async () => {
  const notifier = createNotifier()
  const current = createCurrentAttempt(notifier)
  const changes = [
    () => current.open(ATTEMPT),
    () => current.close(),
    () => current.finish({ reason: 'the run is complete' }),
  ]
  const seen: unknown[] = []
  for (const change of changes) {
    const woken = notifier.next()
    change()
    await woken
    seen.push([current.attempt(), current.finished()])
  }
  assert.deepEqual(seen, [
    [ATTEMPT, null],
    [null, null],
    [null, { reason: 'the run is complete' }],
  ])
})

test('granted bytes add up until a report takes them', () => {
  const current = createCurrentAttempt(createNotifier())
  current.countGranted(10)
  current.countGranted(5)
  assert.equal(current.takeGranted(), 15)
  current.countGranted(1)
  assert.equal(current.takeGranted(), 1)
})
