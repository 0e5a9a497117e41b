// What a connection over WebSocket does beside the guarantees of every bus: certificates, fresh credentials at each connect, the end of
// its permissions, addresses that it refuses. A real nats-server ends the TLS.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { natsKey } from '#protocol/nkeys.ts'
import { startRelay } from '#test/faults/lines.ts'
import { openWebSocketServer, pem, type WebSocketServer } from '#test/given/websocket-server.ts'
import { until } from '#test/until.ts'
import { NoAnswer } from '../../ports.ts'
import { connectWebSocket } from './bus.ts'

const LONG = { timeoutMs: 600_000 }
const SEED = natsKey('user', randomBytes(32)).seed

async function withServer(
  check: (server: WebSocketServer) => Promise<void>,
  options: Parameters<typeof openWebSocketServer>[0] = {},
): Promise<void> {
  const server = await openWebSocketServer(options)
  await check(server).finally(() => server.close())
}

test("a certificate is accepted by the authority that the caller names, and by nobody else's", async () => {
  await withServer(async (server) => {
    const bus = await server.connect()
    await bus.serve('echo', async (_, body) => body)
    assert.equal(Buffer.from(await bus.request('echo', Buffer.from('x'), LONG)).toString(), 'x')
    for (const tls of [{ ca: pem('entry-ca.pem') }, {}])
      await assert.rejects(server.connect({ tls }), {
        code: 'MessagingUnreachable',
        message: /certificate/,
        remedy: /authority/,
      })
  })
})

test('a certificate for another name is refused, also by the right authority', async () => {
  await withServer(
    (server) =>
      assert.rejects(server.connect({ tls: { ca: pem('entry-ca.pem') } }), {
        code: 'MessagingUnreachable',
        message: /altnames/,
      }),
    { files: 'entry' },
  )
})

test('a request in flight at a cut is NoAnswer, and each connect asks for the password and is reported', async () => {
  await withServer(async (server) => {
    const asked: string[] = []
    const errors: unknown[] = []
    let connects = 0
    const password = () => {
      asked.push(`list ${asked.length}`)
      if (asked.length > 2) throw new Error('the list cannot be read')
      return asked.at(-1)!
    }
    const bus = await server.connect({
      credentials: { ...server.credentials, password },
      onConnected: () => {
        connects += 1
      },
      onError: (error) => errors.push(error),
    })
    await until('the first connect is reported', () => connects === 1)
    const before = asked.length
    const heard = Promise.withResolvers<void>()
    await bus.serve('stuck', async () => {
      heard.resolve()
      return new Promise<Uint8Array>(() => {})
    })
    await bus.serve('echo', async (_, body) => body)
    const waiting = assert.rejects(bus.request('stuck', Buffer.from(''), LONG), NoAnswer)
    await heard.promise
    await server.restart()
    await waiting
    await until('the connection is back', () => connects === 2)
    assert.ok(asked.length > before)
    assert.ok(errors.some((error) => String(error).includes('the list cannot be read')))
    assert.equal(Buffer.from(await bus.request('echo', Buffer.from('x'), LONG)).toString(), 'x')
  })
})

test("another key is refused, and the message names what the federation's people can do", async () => {
  await withServer(async (server) => {
    const nkeySeed = natsKey('user', randomBytes(32)).seed
    await assert.rejects(server.connect({ credentials: { ...server.credentials, nkeySeed } }), {
      code: 'MessagingUnreachable',
      message: /Authorization/,
      remedy: /does not admit this key/,
    })
  })
})

test('an address without TLS, of another kind or of nobody is refused', async () => {
  const options = { credentials: { user: 'site', nkeySeed: SEED, password: () => '' }, onError: () => {} }
  for (const url of ['ws://federation.example/bus', 'nats://127.0.0.1:1', 'https://federation.example', 'x'])
    await assert.rejects(connectWebSocket({ ...options, url }), {
      code: 'MessagingUnreachable',
      remedy: /wss:\/\/host/,
    })
})

test('a server that is away, and one that knows no WebSocket, are MessagingUnreachable with the reason', async () => {
  const options = { credentials: { user: 'site', nkeySeed: SEED, password: () => '' }, onError: () => {} }
  const other = createServer((_, response) => response.writeHead(503).end()).listen(0, '127.0.0.1')
  await once(other, 'listening')
  const url = `ws://127.0.0.1:${(other.address() as AddressInfo).port}/bus`
  await assert.rejects(connectWebSocket({ ...options, url }), {
    code: 'MessagingUnreachable',
    message: /upgrade to a WebSocket is 503/,
  })
  other.close()
  await once(other, 'close')
  await assert.rejects(connectWebSocket({ ...options, url }), {
    code: 'MessagingUnreachable',
    message: /ECONNREFUSED/,
  })
})

/** A server that takes connections and says nothing. */
async function silentServer(t: { after(end: () => void): void }) {
  const sockets = new Set<Socket>()
  const server = createTcp((socket) => void sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/bus` }
}

/** No test waits so long: where a connect is not given up, the test fails by its own time. */
const HOURS = { connectMs: 10_000_000 }

for (const scheme of ['ws', 'wss'])
  test(`a connect by ${scheme} that is under way ends at once where its owner stops, and leaves nothing open`, async (t) => {
    const { server, url } = await silentServer(t)
    const script = `
      import { connectWebSocket } from ${JSON.stringify(import.meta.resolve('./bus.ts'))}
      const stop = new AbortController()
      process.once('SIGTERM', () => stop.abort())
      const credentials = { user: 'site', nkeySeed: '${SEED}', password: () => '' }
      const options = { url: '${url.replace('ws:', `${scheme}:`)}', credentials, onError: () => {}, times: ${JSON.stringify(HOURS)} }
      await connectWebSocket({ ...options, signal: stop.signal }).catch((error) => console.log(error.code))
      for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate)
      console.log(process.getActiveResourcesInfo().filter((name) => /Socket|Timeout/.test(name)).join())`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const closed = once(child, 'close')
    await once(server, 'connection')
    child.kill('SIGTERM')
    assert.equal(await text(child.stdout), 'Interrupted\n\n')
    assert.deepEqual(await closed, [0, null])
  })

test('where the owner stops before, nothing is opened', async (t) => {
  const { url } = await silentServer(t)
  const credentials = { user: 'site', nkeySeed: SEED, password: () => '' }
  const options = { url, credentials, onError: () => {}, times: HOURS, signal: AbortSignal.abort() }
  await assert.rejects(connectWebSocket(options), { code: 'Interrupted' })
})

test('a bus closes while it reconnects to a server that says nothing', async (t) => {
  await withServer(async (server) => {
    const relay = await startRelay(server.port)
    t.after(() => relay.close())
    const stop = new AbortController()
    const bus = await server.connect({
      url: `wss://localhost:${relay.port}/bus`,
      times: HOURS,
      signal: stop.signal,
    })
    relay.silenceNext()
    const connections = relay.count()
    relay.cut()
    await until('it tries again', () => relay.count() > connections)
    stop.abort()
    await bus.close()
  })
})

test('a key that the server admits no more is reported at each try', async () => {
  await withServer(async (server) => {
    let refused = 0
    let connects = 0
    await server.connect({ onNotAdmitted: () => void refused++, onConnected: () => void connects++ })
    await until('connected', () => connects === 1)
    await server.restart(natsKey('user', randomBytes(32)).publicKey)
    await until('it was refused twice', () => refused > 1)
    await server.restart()
    await until('connected again', () => connects === 2)
  })
})
