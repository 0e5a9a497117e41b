// The behaviour of a NATS server alone: it stops and comes back, and restricts each client to its own subjects and inbox.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startNats } from '#cli/run/servers/servers.ts'
import { untilSeen } from '#test/until.ts'
import { type MessageBus, NoAnswer } from '../../ports.ts'
import { connectNats, type NatsOptions } from './bus.ts'

/** How long the server is down; a real minute where no developer waits for it. */
const AWAY_MS = process.env.CI ? 60_000 : 2_000

const LONG = { timeoutMs: 600_000 }
const echo = async (_: string, body: Uint8Array) => body
const text = (body: Uint8Array): string => Buffer.from(body).toString()

interface Place {
  readonly folder: string
  /** Connects, to be closed at the end. */
  connect(options: NatsOptions): Promise<MessageBus>
}

async function withFolder(check: (place: Place) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-nats-'))
  const buses: MessageBus[] = []
  const connect = async (options: NatsOptions) => {
    const bus = await connectNats(options)
    buses.push(bus)
    return bus
  }
  await check({ folder, connect }).finally(async () => {
    await Promise.all(buses.map((bus) => bus.close()))
    await rm(folder, { recursive: true })
  })
}

test('requests wait for a server that is down for a minute, and are answered afterwards', async () => {
  await withFolder(async ({ folder, connect }) => {
    const first = await startNats({ folder })
    const [server, client] = await Promise.all([connect({ url: first.url }), connect({ url: first.url })])
    await server.serve('echo.>', echo)
    const stuck = Promise.withResolvers<void>()
    await server.serve('stuck', async () => {
      stuck.resolve()
      return new Promise<Uint8Array>(() => {})
    })
    const waiting = assert.rejects(client.request('stuck', Buffer.from(''), LONG), NoAnswer)
    await stuck.promise

    await first.stop()
    await waiting // a request on its way is given up at once: its answer could not come back
    await assert.rejects(client.request('echo.a', Buffer.from('a'), { timeoutMs: 200 }), NoAnswer)
    const patient = client.request('echo.b', Buffer.from('b'), LONG)
    const late = server.serve('late', echo) // serving may begin while the line is down
    await sleep(AWAY_MS)

    const second = await startNats({ folder, port: first.port })
    // The client may be back before the server is: then no server serves yet, and it asks again.
    const answer = await patient.catch(() => untilAnswered(client, 'echo.b', 'b'))
    assert.equal(text(answer), 'b')
    await late
    assert.equal(text(await untilAnswered(client, 'late', 'c')), 'c')
    await second.stop()
  })
})

async function untilAnswered(client: MessageBus, subject: string, body: string): Promise<Uint8Array> {
  return untilSeen(
    `${subject} is answered`,
    () => client.request(subject, Buffer.from(body), LONG),
    () => true,
  )
}

test('every client and server is back after many restarts of the NATS server', async () => {
  await withFolder(async ({ folder, connect }) => {
    let nats = await startNats({ folder })
    const [server, client] = await Promise.all([connect({ url: nats.url }), connect({ url: nats.url })])
    await server.serve('echo', echo)
    for (const word of ['one', 'two', 'three']) {
      await nats.stop()
      nats = await startNats({ folder, port: nats.port })
      assert.equal(text(await untilAnswered(client, 'echo', word)), word)
    }
    await nats.stop()
  })
})

test('permissions restrict every client to its own subjects and inbox', async () => {
  const config = `authorization { users = [
    { user: coordinator, password: c, permissions: { subscribe: ["job.>", "_INBOX.coordinator.>"], publish: ["_INBOX.>"] } }
    { user: a, password: a, permissions: { publish: ["job.a.>"], subscribe: ["_INBOX.a.>"] } }
  ] }`
  await withFolder(async ({ folder, connect }) => {
    const nats = await startNats({ folder, config })
    const refused: string[] = []
    const onError = (error: unknown) => refused.push(String(error))
    const coordinator = await connect({ url: nats.url, credentials: { user: 'coordinator', password: 'c' } })
    const a = await connect({ url: nats.url, credentials: { user: 'a', password: 'a' }, onError })
    await coordinator.serve('job.>', async (subject) => Buffer.from(subject))

    const own = { ...LONG, inbox: '_INBOX.a' }
    assert.equal(text(await a.request('job.a.next', Buffer.from(''), own)), 'job.a.next')
    await assert.rejects(a.request('job.b.next', Buffer.from(''), own), NoAnswer)
    await assert.rejects(a.request('job.a.next', Buffer.from(''), { ...LONG, inbox: '_INBOX.b' }), NoAnswer)
    await assert.rejects(a.serve('job.b.>', echo), { code: 'MessagingUnreachable' })
    assert.ok(refused.some((error) => error.includes('job.b.next')))
    assert.equal(text(await a.request('job.a.next', Buffer.from(''), own)), 'job.a.next')
    await nats.stop()
  })
})

test('an inbox that the server refused is tried again, and its refusal ends no request of another inbox', async () => {
  const config = (inboxes: string) => `authorization { users = [
    { user: server, password: s }
    { user: a, password: a, permissions: { publish: ["job.>"], subscribe: ${inboxes} } }
  ] }`
  await withFolder(async ({ folder, connect }) => {
    const first = await startNats({ folder, config: config('["one.>"]') })
    const server = await connect({ url: first.url, credentials: { user: 'server', password: 's' } })
    const a = await connect({ url: first.url, credentials: { user: 'a', password: 'a' } })
    const release = Promise.withResolvers<void>()
    await server.serve('job.>', async (_, body) => {
      if (text(body) === 'slow') await release.promise
      return body
    })
    const slow = a.request('job.x', Buffer.from('slow'), { ...LONG, inbox: 'one' })
    await assert.rejects(a.request('job.x', Buffer.from('b'), { ...LONG, inbox: 'two' }), NoAnswer)
    release.resolve()
    assert.equal(text(await slow), 'slow')

    await first.stop()
    const second = await startNats({ folder, port: first.port, config: config('["one.>", "two.>"]') })
    const ask = () => a.request('job.x', Buffer.from('c'), { timeoutMs: 2000, inbox: 'two' })
    assert.equal(text(await untilSeen('the second inbox is answered', ask, () => true)), 'c')
    await second.stop()
  })
})

test('an address of another scheme is refused before a connection', async () => {
  for (const url of ['ws://127.0.0.1:1', 'nats://127.0.0.1:1,https://127.0.0.1:1'])
    await assert.rejects(connectNats({ url }), {
      code: 'MessagingUnreachable',
      message: /^(ws|https):\/\/127\.0\.0\.1:1 is no address of a NATS server$/,
      remedy: /nats:\/\/host:port/,
    })
})

test('tls:// is never answered in plain text', async () => {
  await withFolder(async ({ folder }) => {
    const nats = await startNats({ folder })
    const url = nats.url.replace('nats://', 'tls://')
    await assert.rejects(connectNats({ url }), { code: 'MessagingUnreachable', message: /tls/i })
    await nats.stop()
  })
})

test('wrong credentials, and no server at all, are MessagingUnreachable', async () => {
  await withFolder(async ({ folder }) => {
    const nats = await startNats({ folder, config: 'authorization { token: right }' })
    const wrong = connectNats({ url: nats.url, credentials: { token: 'wrong' } })
    await assert.rejects(wrong, { code: 'MessagingUnreachable', message: /Authorization/i })
    const right = await connectNats({ url: nats.url, credentials: { token: 'right' } })
    await right.close()
    await nats.stop()
    await assert.rejects(connectNats({ url: nats.url }), {
      code: 'MessagingUnreachable',
      remedy: /NATS server/,
    })
  })
})
