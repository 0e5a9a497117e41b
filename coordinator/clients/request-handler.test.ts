// Requests of unknown senders leave no trace in a coordinator. The tests send real requests over an in-process bus.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import type { RunEvent } from '#protocol/events.ts'
import { clientSubject, type NextAnswer, readNextAnswer, subjectPrefix } from '#protocol/messages.ts'
import { createNotifier } from '#runtime/notifier.ts'
import { until } from '#test/until.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import type { MessageBus } from '#transport/ports.ts'
import type { ClientsContext } from './context.ts'
import { createCurrentAttempt } from './current-attempt.ts'
import { openPresence } from './presence.ts'
import { openRequestHandler } from './request-handler.ts'

const PREFIX = subjectPrefix('test', 'uid')

/** A handler for the partitions a and b, A test moves the time. */
async function openedHandler() {
  const time = { now: 1000 }
  const clock = {
    now: () => time.now,
    sleep: (_seconds: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true })),
  }
  const stop = new AbortController()
  const events: RunEvent[] = []
  const failures: unknown[] = []
  const presence = openPresence(clock, 45)
  const notifier = createNotifier()
  const context = {
    markers: { epoch: 1 },
    fixed: { namespace: 'test', uid: 'uid' },
    live: () => ({ members: ['a', 'b'].map((name) => ({ name, train: true })) }),
    current: createCurrentAttempt(notifier),
    pace: { holdSeconds: 10 },
    notifier,
    presence,
    clock,
    observe: (event: RunEvent) => void events.push(event),
    signal: stop.signal,
  } as unknown as ClientsContext
  const bus = createInProcessBus({ onError: (error) => void failures.push(error) })
  const handler = await openRequestHandler(context, bus)
  const close = async (): Promise<void> => {
    stop.abort()
    await handler.stop()
    await bus.close()
  }
  return { bus, events, failures, presence, time, close }
}

const bodyOf = (client: string): Uint8Array =>
  encodeJson({
    kind: 'next',
    client,
    incarnation: 'i',
    epoch: 0,
    dataset: '',
    backend: '',
    have: { state: 'Idle' },
    progress: null,
  })

/** Far longer than an answer takes: only a fault reaches this timeout. */
const LONG = { timeoutMs: 120_000 }

/** One request in a client's name, on that client's subject. */
async function ask(bus: MessageBus, client: string): Promise<NextAnswer | undefined> {
  const body = bodyOf(client)
  return readNextAnswer(await bus.request(clientSubject(PREFIX, client), body, LONG))
}

describe('an unknown sender', () => {
  test('with 5,000 names is refused under each name, and no event reports it', async () => {
    const { bus, events, presence, close } = await openedHandler()
    for (let i = 0; i < 5000; i += 1) {
      const answer = await ask(bus, `stranger-${i}`)
      assert.equal(answer?.kind, 'refused')
    }
    assert.deepEqual(events, [])
    assert.equal(presence.last('stranger-7'), undefined)
    await close()
  })

  test('with a name of 2,000 characters is refused with a short reason', async () => {
    const { bus, events, close } = await openedHandler()
    const answer = await ask(bus, 'x'.repeat(2000))
    assert.ok(answer?.kind === 'refused' && answer.reason.length < 300)
    assert.deepEqual(events, [])
    await close()
  })

  test('that names one client on the subject of another is refused', async () => {
    const { bus, events, close } = await openedHandler()
    const answer = await bus.request(clientSubject(PREFIX, 'a'), bodyOf('b'), LONG)
    assert.equal(readNextAnswer(answer)?.kind, 'refused')
    assert.deepEqual(events, [])
    await close()
  })

  test('that sends other bytes than a request is refused', async () => {
    const { bus, events, close } = await openedHandler()
    const junk = new TextEncoder().encode('['.repeat(2 ** 20))
    const answer = await bus.request(clientSubject(PREFIX, 'a'), junk, LONG)
    assert.equal(readNextAnswer(answer)?.kind, 'refused')
    assert.deepEqual(events, [])
    await close()
  })
})

describe('a client', () => {
  test('has one open request: a newer one ends the older one', async () => {
    const { bus, close } = await openedHandler()
    const older = ask(bus, 'a')
    const newer = ask(bus, 'a')
    assert.deepEqual(await older, { kind: 'wait', epoch: 1, reason: '' })
    await close()
    assert.equal((await newer)?.kind, 'wait')
  })

  test('that sends too many requests is not answered until time has passed; other clients are', async () => {
    const { bus, failures, time, close } = await openedHandler()
    const subject = clientSubject(PREFIX, 'a')
    let answered = 0
    const flood = Array.from({ length: 2500 }, () =>
      bus.request(subject, bodyOf('b'), LONG).then(
        () => {
          answered += 1
        },
        () => {},
      ),
    )
    await until('the handler has judged every request', () => answered + failures.length === flood.length)
    assert.equal(answered, 2000)
    assert.equal(failures.length, 500)
    const foreign = async (client: string, other: string) =>
      readNextAnswer(await bus.request(clientSubject(PREFIX, client), bodyOf(other), LONG))?.kind
    assert.equal(await foreign('b', 'a'), 'refused')
    time.now += 1
    assert.equal(await foreign('a', 'b'), 'refused')
    await close()
  })
})
