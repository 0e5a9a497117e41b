// A client's requests, answered by a faulty coordinator.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Want } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import { conversationOf, playCoordinator } from '#test/given/signed.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { askGrants } from './requests.ts'

const REFUSED = { kind: 'Refused', reason: 'the attempt is closed' } as const
const WANTS: Want[] = [
  { kind: 'Read', key: 'run.json' },
  { kind: 'Read', key: 'rounds/1/1/model.safetensors' },
]

test('askGrants ignores an answer with the wrong number of grants, and repeats the request', async (t) => {
  const bus = createInProcessBus()
  t.after(() => bus.close())
  const answers = [[], [REFUSED], [REFUSED, REFUSED, REFUSED], [REFUSED, REFUSED]]
  let asked = 0
  await playCoordinator(bus, 'run', () => {
    const granted = answers[Math.min(asked, answers.length - 1)]
    asked += 1
    return { kind: 'granted', epoch: 1, granted }
  })
  const ask = askGrants({
    client: 'a',
    incarnation: 'i',
    conversation: conversationOf(bus, { prefix: 'run', client: 'a' }),
    answerSeconds: 60,
    clock: systemClock(1000),
    signal: new AbortController().signal,
    silenceSeconds: 6000,
  })
  assert.deepEqual(await ask(WANTS), [REFUSED, REFUSED])
  assert.equal(asked, answers.length)
})

test('askGrants gives the work up at once where the coordinator refuses the client', {
  timeout: 60_000,
}, async (t) => {
  const bus = createInProcessBus()
  t.after(() => bus.close())
  await playCoordinator(bus, 'run', () => ({
    kind: 'refused',
    epoch: 1,
    reason: 'the job has no partition a',
  }))
  const ask = askGrants({
    client: 'a',
    incarnation: 'i',
    conversation: conversationOf(bus, { prefix: 'run', client: 'a' }),
    answerSeconds: 60,
    clock: systemClock(),
    signal: new AbortController().signal,
    silenceSeconds: 6000,
  })
  await assert.rejects(ask(WANTS), { name: 'NotWanted', message: 'the job has no partition a' })
})
