// Cases of a bus with faults: no server, late answers, handlers that throw, lost, duplicated and reordered messages, a closed bus.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultyBus, type MessageFault } from '#test/faults/faulty-bus.ts'
import { until } from '#test/until.ts'
import { type MessageBus, NoAnswer } from '#transport/ports.ts'
import { freshSubject, text } from './bodies.ts'
import type { Opened } from './opened-bus.ts'

/** Far longer than a test may last: only a fault would wait for it. */
const LONG = { timeoutMs: 600_000 }
/** Ends a test that waits for LONG. A slow machine stays below it. */
const TIMEOUT = { timeout: 120_000 }
/** Enough for a request that has no answer. */
const SHORT = { timeoutMs: 100 }
const NOTHING = new Uint8Array(0)

export function faultCases(opened: Opened): void {
  silence(opened)
  disorder(opened)
  closing(opened)
}

function silence(opened: Opened): void {
  test('a subject without a server is NoAnswer at once', TIMEOUT, async () => {
    const bus = await opened().connect()
    await assert.rejects(bus.request(freshSubject(), NOTHING, LONG), NoAnswer)
  })

  test('a server answers from its start to its stop', TIMEOUT, async () => {
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

  test('a handler that throws sends no answer, its error is reported, and it still serves', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    const before = opened().errors.length
    await server.serve(subject, async (_, body) => {
      if (body.byteLength === 0) throw new Error('on purpose')
      return body
    })
    await assert.rejects(client.request(subject, NOTHING, SHORT), NoAnswer)
    await until('the bus reports what the handler threw', () => opened().errors.length > before)
    assert.equal((opened().errors[before] as Error).message, 'on purpose')
    assert.equal(text(await client.request(subject, Buffer.from('x'), LONG)), 'x')
  })

  test('where one of two servers throws, the answer of the other counts', async () => {
    const [one, other, client] = await Promise.all(Array.from({ length: 3 }, () => opened().connect()))
    const subject = freshSubject()
    const thrown = opened().errors.length
    await one!.serve(subject, async () => {
      throw new Error('on purpose')
    })
    // The other answers only when the first has thrown.
    await other!.serve(subject, async () => {
      await until('the first server throws', () => opened().errors.length > thrown)
      return Buffer.from('here')
    })
    assert.equal(text(await client!.request(subject, NOTHING, LONG)), 'here')
  })

  test('a late answer reaches no other request', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    const released = Promise.withResolvers<void>()
    await server.serve(subject, async (_, body) => {
      if (text(body) === 'slow') await released.promise
      return body
    })
    await assert.rejects(client.request(subject, Buffer.from('slow'), SHORT), NoAnswer)
    for (let at = 0; at < 30; at++) {
      // From the tenth request on the late answer is on its way, before the answers to the requests that follow.
      if (at === 10) released.resolve()
      assert.equal(text(await client.request(subject, Buffer.from(`${at}`), LONG)), `${at}`)
    }
  })
}

interface Counting {
  readonly client: MessageBus
  readonly server: MessageBus
  readonly wanted: number
  /** How often the server has to serve; read once every request has its answer. */
  readonly serves: () => number
}

/** A counter as a careful program would run it: the client repeats, the server knows what it has counted. */
async function countTo({ client, server, wanted, serves }: Counting) {
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
      const answer = await client.request(subject, Buffer.from(word), LONG).catch(() => undefined)
      if (answer) return assert.equal(text(answer), word)
    }
  }
  await Promise.all(Array.from({ length: wanted }, (_, at) => tell(`${at}`)))
  // A doubled message may still be on its way.
  await until('the server serves every message', () => served >= serves(), { instead: () => served })
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
      const wanted = 30
      let faults = 0
      const plan = (index: number): MessageFault | undefined => {
        if (index % 3 !== 0) return undefined
        faults += 1
        return fault
      }
      const again = fault.kind === 'LoseAnswer' || fault.kind === 'Double'
      const serves = (): number => (again ? wanted + faults : wanted)
      const unruly = faultyBus(client, { plan })
      const { counted, served } = await countTo({ client: unruly, server, wanted, serves })
      assert.equal(counted, wanted)
      assert.ok(faults > 5)
      assert.equal(served, serves())
    })
  }
}

/** Last of all: participants may share one bus. */
function closing(opened: Opened): void {
  test('closing ends waiting requests, and later ones', TIMEOUT, async () => {
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
