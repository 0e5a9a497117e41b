// Cases of a working bus: which server receives a request, the bytes that arrive, many requests at once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#test/until.ts'
import { LARGEST_MESSAGE } from '#transport/bus/subject.ts'
import { bodyOf, freshSubject, same, text } from './bodies.ts'
import type { Opened } from './opened-bus.ts'

/** Far more than any answer takes: a test that needs it fails by its own time limit. */
const LONG = { timeoutMs: 600_000 }

export function answerCases(opened: Opened): void {
  test('a request is served with its subject and body, and its answer comes back', {
    timeout: 120_000,
  }, async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    await server.serve(`${subject}.*`, async (asked, body) => Buffer.from(`${asked} ${text(body)}`))
    const answer = await client.request(`${subject}.a`, Buffer.from('hello'), LONG)
    assert.equal(text(answer), `${subject}.a hello`)
    assert.equal(text(await server.request(`${subject}.b`, Buffer.from('self'), LONG)), `${subject}.b self`)
  })

  test('bodies of any bytes and of no bytes, up to 512 KiB and the limit, arrive as they were', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    await server.serve(subject, async (_, body) => body)
    for (const size of [0, 1, 1000, 512 * 1024, LARGEST_MESSAGE]) {
      assert.ok(same(await client.request(subject, bodyOf(size), LONG), bodyOf(size)), `${size} bytes`)
    }
  })

  test('a larger message is a RangeError for its sender', async () => {
    const bus = await opened().connect()
    const subject = freshSubject()
    const before = opened().errors.length
    await bus.serve(subject, async () => new Uint8Array(LARGEST_MESSAGE + 1))
    await assert.rejects(bus.request(subject, new Uint8Array(LARGEST_MESSAGE + 1), LONG), RangeError)
    await assert.rejects(bus.request(subject, new Uint8Array(1), { timeoutMs: 100 }), { name: 'NoAnswer' })
    await until('the bus reports the answer that is too large', () => opened().errors.length > before)
    assert.ok(opened().errors[before] instanceof RangeError)
  })

  test('patterns cover the subjects that they describe', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const base = freshSubject()
    const patterns = ['one', 'star.*', 'mid.*.end', 'rest.>', '*.both.>']
    for (const pattern of patterns) await server.serve(`${base}.${pattern}`, async () => Buffer.from(pattern))
    const served = async (subject: string) =>
      client.request(`${base}.${subject}`, new Uint8Array(0), LONG).then(text, (error: Error) => error.name)
    const table = {
      one: 'one',
      'one.more': 'NoAnswer',
      'star.a': 'star.*',
      star: 'NoAnswer',
      'star.a.b': 'NoAnswer',
      'mid.x.end': 'mid.*.end',
      'mid.end': 'NoAnswer',
      'mid.x.y.end': 'NoAnswer',
      'rest.a': 'rest.>',
      'rest.a.b.c': 'rest.>',
      rest: 'NoAnswer',
      'x.both.y.z': '*.both.>',
      'x.both': 'NoAnswer',
      other: 'NoAnswer',
    }
    for (const [subject, wanted] of Object.entries(table))
      assert.equal(await served(subject), wanted, subject)
  })

  test('invalid subjects and patterns are refused', async () => {
    const bus = await opened().connect()
    for (const wrong of ['', '.', 'a.', '.a', 'a..b', 'a b', 'a.*', '>', 'a.>', 'a\n']) {
      await assert.rejects(bus.request(wrong, new Uint8Array(0), LONG), TypeError, wrong)
    }
    for (const wrong of ['', '.', 'a.', 'a..b', 'a b', '>.a', 'a*', 'a.>b']) {
      await assert.rejects(
        bus.serve(wrong, async (_, body) => body),
        TypeError,
        wrong,
      )
    }
  })

  test('five hundred requests at once, answered in the opposite order', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    const held: (() => void)[] = []
    await server.serve(subject, async (_, body) => {
      await new Promise<void>((resolve) => {
        held.push(resolve)
        if (held.length === 500) for (const release of held.reverse()) release()
      })
      return body
    })
    const asked = Array.from({ length: 500 }, (_, at) => client.request(subject, Buffer.from(`${at}`), LONG))
    const answers = await Promise.all(asked)
    assert.deepEqual(
      answers.map(text),
      asked.map((_, at) => `${at}`),
    )
  })

  test('a slow request holds up no other', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    const slow = Promise.withResolvers<Uint8Array>()
    await server.serve(`${subject}.*`, async (asked, body) => (asked.endsWith('slow') ? slow.promise : body))
    const waiting = client.request(`${subject}.slow`, Buffer.from('s'), LONG)
    assert.equal(text(await client.request(`${subject}.fast`, Buffer.from('f'), LONG)), 'f')
    slow.resolve(Buffer.from('done'))
    assert.equal(text(await waiting), 'done')
  })

  test('two ends that ask and answer without a pause keep nothing else from running', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    await server.serve(subject, async (_, body) => body)
    let isOver = false
    setTimeout(() => {
      isOver = true
    }, 1)
    for (let asked = 0; !isOver; asked += 1) {
      assert.ok(asked < 100_000, 'a timer of a millisecond waits for this loop to end')
      await client.request(subject, Buffer.from('now'), LONG)
    }
  })

  test('both servers of a subject receive the request, and the first answer counts', async () => {
    const [one, two, client] = await Promise.all([opened().connect(), opened().connect(), opened().connect()])
    const subject = freshSubject()
    const heard = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    await one.serve(subject, async () => {
      heard.resolve()
      await answered.promise
      return Buffer.from('late')
    })
    await two.serve(subject, async () => Buffer.from('first'))
    assert.equal(text(await client.request(subject, new Uint8Array(0), LONG)), 'first')
    await heard.promise
    answered.resolve()
  })

  test('the reply subject is under the inbox that the caller names, one per client', async () => {
    const [server, client] = await Promise.all([opened().connect(), opened().connect()])
    const subject = freshSubject()
    await server.serve(subject, async (_, body) => body)
    const ask = (name: string, at: number) => {
      return client.request(subject, Buffer.from(`${name}${at}`), { ...LONG, inbox: `_INBOX.${name}` })
    }
    const answers = await Promise.all([ask('a', 1), ask('b', 1), ask('a', 2), ask('b', 2)])
    assert.deepEqual(answers.map(text), ['a1', 'b1', 'a2', 'b2'])
  })

  test('a handler that changes its request does not change the sender’s', async () => {
    const bus = await opened().connect()
    const subject = freshSubject()
    const kept = Buffer.from('kept')
    await bus.serve(subject, async (_, body) => {
      body.fill(0)
      return kept
    })
    const body = Buffer.from('sent')
    const answer = await bus.request(subject, body, LONG)
    answer.fill(0)
    assert.equal(text(body), 'sent')
    assert.equal(text(kept), 'kept')
  })
}
