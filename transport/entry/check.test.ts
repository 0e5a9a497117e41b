// Each step of the way to an entry, broken once. A real nats-server takes the WebSocket.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { after, before, test } from 'node:test'
import { startConnectProxy } from '#test/faults/connect-proxy.ts'
import { openWebSocketServer, pem, type WebSocketServer } from '#test/given/websocket-server.ts'
import { checkEntry, type EntryOptions } from './check.ts'

let server: WebSocketServer
/** Its certificate is for federation.example, a name that no resolver knows. */
let far: WebSocketServer
before(async () => {
  ;[server, far] = await Promise.all([openWebSocketServer(), openWebSocketServer({ files: 'entry' })])
})
after(() => Promise.all([server?.close(), far?.close()]))

const here = (): EntryOptions => ({ url: `wss://localhost:${server.port}/bus`, ca: pem('ca.pem') })
const FAR: EntryOptions = { url: 'wss://federation.example/bus', ca: pem('entry-ca.pem') }

async function failureOf(options: EntryOptions) {
  const checked = await checkEntry(options)
  assert.ok(checked.kind === 'Failed')
  const { fault, message, remedy } = checked.failure
  assert.ok(remedy)
  return { fault, passed: checked.passed.length, text: `${message}\n${remedy}` }
}

async function portOf(t: { after(end: () => void): void }, listening: Server): Promise<number> {
  listening.listen(0, 'localhost')
  await once(listening, 'listening')
  t.after(() => void listening.close())
  return (listening.address() as AddressInfo).port
}

test('a way without a fault passes, and the clocks are compared', async () => {
  const checked = await checkEntry(here(), () => Date.now() + 600_000)
  assert.equal(checked.kind, 'Passed')
  assert.equal(checked.passed.length, 5)
  assert.equal(Math.round(checked.secondsAhead! / 60), 10)
})

test('by a proxy with a password, the name is its matter', async (t) => {
  const targets = { 'federation.example:443': far.port }
  const proxy = await startConnectProxy({ targets, credentials: 'ward:s3cret' })
  t.after(() => proxy.close())
  const through = (user: string) => ({ ...FAR, proxy: proxy.url.replace('//', `//${user}`) })
  assert.equal((await checkEntry(through('ward:s3cret@'))).kind, 'Passed')
  const none = await failureOf(through(''))
  assert.equal(none.fault, 'ProxyCredentials')
  const wrong = await failureOf(through('ward:wr0ng@'))
  assert.equal(wrong.fault, 'ProxyCredentials')
  assert.doesNotMatch(wrong.text, /wr0ng/)
  const other = await failureOf({ ...through('ward:s3cret@'), url: 'wss://other.example/bus' })
  assert.equal(other.fault, 'ProxyRefuses')
  assert.match(other.text, /CONNECT to other\.example:443 with 502/)
  const untrusted = await failureOf({ ...through('ward:s3cret@'), ca: pem('ca.pem') })
  assert.equal(untrusted.fault, 'CertificateUntrusted')
  assert.match(untrusted.text, /by "fedsam test authority of the entry"/)
})

test('a proxy that asks for NTLM or Kerberos alone is named as not supported', async (t) => {
  for (const header of ['NTLM', 'Negotiate', 'Negotiate, NTLM', 'Kerberos realm="x, basic"']) {
    const refusal = { status: 407, headers: { 'proxy-authenticate': header } }
    const proxy = await startConnectProxy({ targets: {}, refusal })
    t.after(() => proxy.close())
    const { fault, text } = await failureOf({ ...FAR, proxy: proxy.url.replace('//', '//a:b@') })
    assert.equal(fault, 'ProxySchemeUnsupported', header)
    assert.match(text, new RegExp(`asks for ${header.split(/[ ,]/)[0]}`))
  }
  const refusal = { status: 407, headers: { 'proxy-authenticate': 'NTLM, Basic realm="x"' } }
  const both = await startConnectProxy({ targets: {}, refusal })
  t.after(() => both.close())
  assert.equal((await failureOf({ ...FAR, proxy: both.url })).fault, 'ProxyCredentials')
})

test('each step that fails ends the check', async (t) => {
  assert.deepEqual((await failureOf({ ...FAR, url: 'wss://federation.invalid/bus' })).fault, 'NameUnknown')
  const closed = createServer()
  const port = await portOf(t, closed)
  closed.close()
  await once(closed, 'close')
  assert.equal((await failureOf({ ...here(), url: `wss://localhost:${port}/` })).fault, 'NoConnection')
  const away = { ...FAR, proxy: `http://localhost:${port}` }
  assert.equal((await failureOf(away)).fault, 'ProxyUnreachable')

  const plain = await portOf(
    t,
    createServer((socket) => socket.end('220 no TLS here\r\n')),
  )
  assert.equal((await failureOf({ ...here(), url: `wss://localhost:${plain}/` })).fault, 'TlsFailed')
  const silent = await portOf(t, createServer())
  const late = await failureOf({ ...here(), url: `wss://localhost:${silent}/`, stepMs: 200 })
  assert.equal(late.fault, 'TlsFailed')
  assert.match(late.text, /nothing for 0\.2 s/)

  const { ca: _, ...systemRoots } = here()
  const untrusted = await failureOf(systemRoots)
  assert.equal(untrusted.fault, 'CertificateUntrusted')
  assert.equal(untrusted.passed, 2)

  const files = { cert: pem('server.pem'), key: pem('server.key') }
  const web = createHttps(files, (_request, response) => response.end('hello'))
  const webPort = await portOf(t, web)
  const noWebSocket = await failureOf({ ...here(), url: `wss://localhost:${webPort}/wrong` })
  assert.equal(noWebSocket.fault, 'NoWebSocket')
  assert.match(noWebSocket.text, /\/wrong answers 200/)
})

test('nothing is sent over a connection that is not trusted', async (t) => {
  let asked = 0
  const files = { cert: pem('entry.pem'), key: pem('entry.key') }
  const thief = createHttps(files, (_request, response) => {
    asked += 1
    response.end()
  })
  const port = await portOf(t, thief)
  // The right authority, another name.
  const { fault, text } = await failureOf({ ca: pem('entry-ca.pem'), url: `wss://localhost:${port}/` })
  assert.equal(fault, 'CertificateUntrusted')
  assert.match(text, /ALTNAME/)
  assert.equal(asked, 0)
})
