// Connections over bad lines: cut, silent, silent with bytes on their way, by a proxy that alone resolves the name.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startConnectProxy } from '#test/faults/connect-proxy.ts'
import { startRelay } from '#test/faults/lines.ts'
import { openWebSocketServer, pem } from '#test/given/websocket-server.ts'
import { until, untilSeen } from '#test/until.ts'
import { LARGEST_MESSAGE } from '../subject.ts'

const LONG = { timeoutMs: 600_000 }
/** So that a silent line is noticed within the test's patience. */
const TIMES = { pingMs: 200, connectMs: 5000 }
const echo = async (_: string, body: Uint8Array) => body

async function opened(t: { after(end: () => Promise<unknown>): void }, files?: string) {
  const server = await openWebSocketServer(files === undefined ? {} : { files })
  t.after(() => server.close())
  const home = await server.connect(files === undefined ? {} : { url: `wss://localhost:${server.port}/bus` })
  await home.serve('echo', echo)
  return { server, home }
}

test('a connection that is cut again and again is back each time', async (t) => {
  const { server } = await opened(t)
  const relay = await startRelay(server.port)
  t.after(() => relay.close())
  let connects = 0
  const bus = await server.connect({
    url: `wss://localhost:${relay.port}/bus`,
    onConnected: () => {
      connects += 1
    },
  })
  for (let cuts = 1; cuts <= 4; cuts += 1) {
    await until('connected', () => connects === cuts)
    assert.equal(Buffer.from(await bus.request('echo', Buffer.from('x'), LONG)).toString(), 'x')
    relay.cut()
  }
  await until('connected at last', () => connects === 5)
})

for (const [name, bytes] of Object.entries({ nothing: 0, 'more bytes than it holds': LARGEST_MESSAGE }))
  test(`a line that goes silent with ${name} on its way is replaced`, async (t) => {
    const { server } = await opened(t)
    const relay = await startRelay(server.port)
    t.after(() => relay.close())
    let connects = 0
    const bus = await server.connect({
      url: `wss://localhost:${relay.port}/bus`,
      times: TIMES,
      onConnected: () => {
        connects += 1
      },
    })
    await until('connected', () => connects === 1)
    relay.silence()
    const lost = Array.from({ length: bytes === 0 ? 1 : 24 }, () =>
      assert.rejects(bus.request('echo', new Uint8Array(bytes), LONG), { name: 'NoAnswer' }),
    )
    await Promise.all(lost) // by the end of the connection: their own time is ten minutes
    await until('connected again', () => connects === 2)
    assert.equal(Buffer.from(await bus.request('echo', Buffer.from('x'), LONG)).toString(), 'x')
  })

test('a bus closes on a silent line', async (t) => {
  const { server } = await opened(t)
  const relay = await startRelay(server.port)
  t.after(() => relay.close())
  const bus = await server.connect({ url: `wss://localhost:${relay.port}/bus` })
  relay.silence()
  await bus.close()
})

test('by a proxy that alone knows the name, with its password; the site asks for one target', async (t) => {
  const server = await openWebSocketServer({ files: 'entry' })
  const targets = { 'federation.example:443': server.port }
  const proxy = await startConnectProxy({ targets, credentials: 'ward 7:p@ss/word' })
  t.after(async () => {
    await proxy.close()
    await server.close()
  })
  const options = { url: 'wss://federation.example/bus', tls: { ca: pem('entry-ca.pem') } }
  const user = encodeURIComponent('ward 7')
  const through = (password: string) => proxy.url.replace('//', `//${user}:${encodeURIComponent(password)}@`)
  const bus = await server.connect({ ...options, proxy: through('p@ss/word') })
  await bus.serve('echo', echo)
  assert.equal(Buffer.from(await bus.request('echo', Buffer.from('x'), LONG)).toString(), 'x')
  proxy.cut()
  const again = () => bus.request('echo', Buffer.from('y'), { timeoutMs: 5000 })
  assert.equal(Buffer.from(await untilSeen('it is back', again, () => true)).toString(), 'y')
  assert.deepEqual([...new Set(proxy.asked)], ['federation.example:443'])

  await assert.rejects(
    server.connect({ ...options, proxy: through('secret') }),
    (error: Error & { code: string; remedy: string }) => {
      assert.equal(error.code, 'MessagingUnreachable')
      assert.match(error.message, /by the proxy 127\.0\.0\.1:\d+: .*407/)
      assert.doesNotMatch(error.message + error.remedy, /secret|ward/)
      return true
    },
  )
  // The certificate is judged behind the proxy, too.
  await assert.rejects(
    server.connect({ ...options, proxy: through('p@ss/word'), tls: { ca: pem('ca.pem') } }),
    {
      message: /certificate/,
      remedy: /authority/,
    },
  )
})

test('no variable of the environment names a proxy', async (t) => {
  const proxy = await startConnectProxy({ targets: {} })
  t.after(() => proxy.close())
  const before = { ...process.env }
  t.after(async () => void Object.assign(process.env, before))
  const { server } = await opened(t)
  process.env.HTTPS_PROXY = proxy.url
  await server.connect()
  assert.deepEqual(proxy.asked, [])
  delete process.env.HTTPS_PROXY
})
