// Cases of a bus in disorder: nobody there, too late, thrown, lost, doubled, overtaken, closed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { faultyBus, type MessageFault } from '#test/faults/faulty-bus.ts'
import { type MessageBus, NoAnswer } from '#transport/ports.ts'
import type { Opened } from './message-bus.ts'

const LONG = { timeoutMs: 600_000 }
const SHORT = { timeoutMs: 100 }
const NOTHING = new Uint8Array(0)
const text = (body: Uint8Array): string => Buffer.from(body).toString()
const freshSubject = (): string => `conformance.${crypto.randomUUID()}`

export function faultCases(opened: Opened): void {
  silence(opened)
  disorder(opened)
  closing(opened)
}

function silence(opened: Opened): void {
  test('where nobody serves, NoAnswer comes at once', { timeout: 10_000 }, async () => {
    const bus = await opened().connect()
    await assert.rejects(bus.request(freshSubject(), NOTHING, LONG), NoAnswer)
  })

  test('a server that comes late is heard from then on, and not after it stopped', {
    timeout: 10_000,
  }, async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    await assert.rejects(client.request(subject, NOTHING, LONG), NoAnswer)
    const serving = await server.serve(subject, async () => Buffer.from('here'))
    assert.equal(text(await client.request(subject, NOTHING, LONG)), 'here')
    await serving.stop()
    await assert.rejects(client.request(subject, NOTHING, SHORT), NoAnswer)
    await server.serve(subject, async () => Buffer.from('again'))
    assert.equal(text(await client.request(subject, NOTHING, LONG)), 'again')
  })

  test('a handler that throws answers nothing, is told of, and serves on', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    const before = opened().errors.length
    await server.serve(subject, async (_, body) => {
      if (body.byteLength === 0) throw new Error('on purpose')
      return body
    })
    await assert.rejects(client.request(subject, NOTHING, SHORT), NoAnswer)
    assert.equal((opened().errors[before] as Error).message, 'on purpose')
    assert.equal(text(await client.request(subject, Buffer.from('x'), LONG)), 'x')
  })

  test('of two servers one throws, and the answer of the other counts', { timeout: 60_000 }, async () => {
    const [one, other, client] = await Promise.all(Array.from({ length: 3 }, () => opened().connect()))
    const subject = freshSubject()
    const thrown = opened().errors.length
    await one!.serve(subject, async () => {
      throw new Error('on purpose')
    })
    // The other answers only when the first has thrown.
    await other!.serve(subject, async () => {
      while (opened().errors.length === thrown) await sleep(1)
      return Buffer.from('here')
    })
    assert.equal(text(await client!.request(subject, NOTHING, LONG)), 'here')
  })

  test('an answer that comes too late is nobody else’s', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    await server.serve(subject, async (_, body) => {
      if (text(body) === 'slow') await sleep(200)
      return body
    })
    await assert.rejects(client.request(subject, Buffer.from('slow'), { timeoutMs: 50 }), NoAnswer)
    for (let at = 0; at < 30; at++) {
      assert.equal(text(await client.request(subject, Buffer.from(`${at}`), LONG)), `${at}`)
      await sleep(10)
    }
  })
}

/** A counter as a careful program would run it: the client repeats, the server knows what it has counted. */
async function countTo(client: MessageBus, server: MessageBus, wanted: number) {
  const subject = freshSubject()
  const counted = new Set<string>()
  let served = 0
  const serving = await server.serve(subject, async (_, body) => {
    served += 1
    counted.add(text(body))
    return body
  })
  const tell = async (word: string) => {
    for (;;) {
      const answer = await client
        .request(subject, Buffer.from(word), { timeoutMs: 2000 })
        .catch(() => undefined)
      if (answer) return assert.equal(text(answer), word)
    }
  }
  await Promise.all(Array.from({ length: wanted }, (_, at) => tell(`${at}`)))
  await sleep(30) // what was doubled or delayed may still be on its way
  await serving.stop()
  return { counted: counted.size, served }
}

function disorder(opened: Opened): void {
  const faults: Readonly<Record<string, MessageFault>> = {
    lost: { kind: 'LoseRequest' },
    'lost after they were served': { kind: 'LoseAnswer' },
    doubled: { kind: 'Double' },
    'overtaken by others': { kind: 'Delay', ms: 25 },
  }
  for (const [name, fault] of Object.entries(faults)) {
    test(`messages that are ${name} cost time, not truth`, async () => {
      const [server, client] = await Promise.all([opened().connect(), opened().connect()])
      const unruly = faultyBus(client, { plan: (index) => (index % 3 === 0 ? fault : undefined) })
      const { counted, served } = await countTo(unruly, server, 30)
      assert.equal(counted, 30)
      const again = fault.kind === 'LoseAnswer' || fault.kind === 'Double'
      assert.ok(again ? served > 30 : served === 30, `served ${served} times`)
    })
  }
}

/** Last of all: participants may share one bus. */
function closing(opened: Opened): void {
  test('closing ends the requests that wait, and those that come', { timeout: 20_000 }, async () => {
    const server = await opened().connect()
    const subject = freshSubject()
    const heard = Promise.withResolvers<void>()
    await server.serve(subject, async () => {
      heard.resolve()
      return new Promise<Uint8Array>(() => {})
    })
    const waiting = assert.rejects(server.request(subject, NOTHING, LONG), NoAnswer)
    await heard.promise
    await server.close()
    await waiting
    await assert.rejects(server.request(subject, NOTHING, LONG), NoAnswer)
  })
}
