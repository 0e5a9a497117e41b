// The first answer of a coordinator to "who is there": it waits for every partition, or for the time that the job allows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunEvent } from '#protocol/events.ts'
import { createNotifier } from '#runtime/notifier.ts'
import { ROUND } from '#test/federation/federation.ts'
import { jumpingClock } from '#test/jumping-clock.ts'
import { DEFAULT_PACE } from '../settings/settings.ts'
import { awaitClients } from './presence.ts'

function waiting(ready: Set<string>) {
  const clock = jumpingClock()
  const notifier = createNotifier()
  const events: RunEvent[] = []
  const context = {
    clock,
    notifier,
    pace: DEFAULT_PACE,
    signal: new AbortController().signal,
    guard: { throwIfStopped() {} } as Parameters<typeof awaitClients>[0]['guard'],
    live: () => ({
      generation: 1,
      rounds: 10,
      members: ['a', 'b'].map((name) => ({ name, train: true })),
      round: { ...ROUND, availabilitySeconds: 600 },
    }),
    presence: {
      isReady: (client: string) => ready.has(client),
      absence: (client: string) => ({ client, outcome: 'Unreachable', reason: 'NotHeard', message: '' }),
    } as Parameters<typeof awaitClients>[0]['presence'],
    observe: (event: RunEvent) => events.push(event),
  }
  const over = awaitClients(context, 1).then(
    () => 'ready',
    (error: { reason?: string }) => error.reason,
  )
  return { clock, notifier, events, over }
}

test('all partitions are ready: no wait', async () => {
  const { events, over } = waiting(new Set(['a', 'b']))
  assert.equal(await over, 'ready')
  assert.deepEqual(events, [])
})

test('a partition that becomes ready ends the wait, which named it', async () => {
  const ready = new Set(['a'])
  const { notifier, events, over } = waiting(ready)
  assert.deepEqual(
    events.map((event) => event.event === 'Waiting' && event.missing),
    [['b']],
  )
  ready.add('b')
  notifier.notify()
  assert.equal(await over, 'ready')
})

test('after the time that the job allows, one client is enough; none fails the run', async () => {
  const one = waiting(new Set(['a']))
  const none = waiting(new Set())
  for (const { clock } of [one, none]) clock.jump(601)
  assert.equal(await one.over, 'ready')
  assert.equal(await none.over, 'TooFewClients')
})
