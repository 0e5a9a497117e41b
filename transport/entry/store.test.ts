// PUT and GET up to the store, stopped once by everybody who may stand before it. A real S3 server answers behind a TLS host.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startS3 } from '#cli/run/servers/servers.ts'
import { startTlsEdge, type TlsEdge } from '#test/given/tls-edge.ts'
import { pem } from '#test/given/websocket-server.ts'
import { askGet, askPut, type StoreOptions } from './store.ts'

const BODY = new Uint8Array(1536 * 1024)
const ca = pem('ca.pem')
const ends: (() => Promise<unknown>)[] = []
let edge: TlsEdge

before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-entry-store-'))
  const s3 = await startS3({ folder, bucket: 'record' })
  edge = await startTlsEdge({ store: s3.endpoint })
  ends.push(
    () => edge.close(),
    () => s3.stop(),
    () => rm(folder, { recursive: true }),
  )
})
after(async () => {
  for (const end of ends) await end()
})

type Ask = typeof askPut

const asked = (origin: string, ask: Ask, more: Partial<StoreOptions> = {}) =>
  ask({ url: new URL(`${origin}/record/probes/a.bin`), body: BODY, ca, ...more })

/** A server in the place of the store. */
async function standing(
  t: { after(end: () => void): void },
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer({ cert: pem('server.pem'), key: pem('server.key') }, answer)
  server.listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

async function failureOf(origin: string, ask: Ask = askPut) {
  return asked(origin, ask).then(
    ({ kind, says }) => assert.fail(`${kind}: ${says}`),
    (error: { fault: string; message: string; remedy: string }) => error,
  )
}

test('a refusal in the words of an S3 server is a success, for both methods', async () => {
  const get = await asked(edge.origin, askGet)
  assert.equal(get.kind, 'Store')
  assert.match(get.says, /^GET reaches the store, .*\(AccessDenied\)$/)
  // The server may reset the connection before its answer to the large body was read.
  const put = await asked(edge.origin, askPut)
  assert.match(put.says, /^PUT with a body of (4|1536) KiB reaches the store, .*\(AccessDenied\)/)
})

test('a proxy that takes no PUT, or no such body, is named', async (t) => {
  const page = '<html><Code>405</Code>no</html>'
  const proxy = await standing(t, (_, response) =>
    response.writeHead(405, { via: '1.1 ward-proxy (squid)', server: 'squid' }).end(page),
  )
  const refused = await failureOf(proxy)
  assert.equal(refused.fault, 'MethodRefused')
  assert.match(refused.message, /with 405 by "squid" by "1\.1 ward-proxy \(squid\)", not by an S3 server/)
  assert.match(refused.remedy, /people of "squid".* PUT and GET/)

  const small = await standing(t, (request, response) => {
    const large = Number(request.headers['content-length'] ?? 0) > 2 ** 20
    response.writeHead(large ? 413 : 404, { server: 'nginx' }).end()
  })
  const { fault, remedy } = await failureOf(small)
  assert.deepEqual([fault, /32 MiB/.test(remedy)], ['BodyRefused', true])
  assert.equal((await asked(small, askGet)).kind, 'Unknown')
})

test('a page, a redirect and a store that is away are no store', async (t) => {
  const cases: readonly [number, object, string][] = [
    [403, {}, 'NotTheStore'],
    [200, {}, 'NotTheStore'],
    [502, {}, 'NotTheStore'],
    [302, { location: 'https://login.example/?secret' }, 'Redirected'],
  ]
  for (const [status, headers, fault] of cases) {
    const origin = await standing(t, (_, response) =>
      response.writeHead(status, { 'content-type': 'text/html', ...headers }).end('<html>blocked</html>'),
    )
    for (const ask of [askPut, askGet]) {
      const failure = await failureOf(origin, ask)
      assert.equal(failure.fault, fault, failure.message)
      assert.doesNotMatch(failure.message, /secret/)
    }
  }
})

test('a line that ends under every body is named, one that ends under a large one is not known, and another authority is named', async (t) => {
  const cut = await standing(t, (request) => request.once('data', () => request.socket.destroy()))
  const failure = await failureOf(cut)
  assert.equal(failure.fault, 'NoAnswer')
  assert.match(failure.remedy, /PUT with a body of 4 KiB/)
  const error = '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
  const early = await standing(t, (request, response) => {
    if (Number(request.headers['content-length']) > 4096) request.once('data', () => request.socket.destroy())
    else response.writeHead(403).end(error)
  })
  const { kind, says } = await asked(early, askPut)
  assert.equal(kind, 'Unknown')
  assert.match(says, /^PUT with a body of 4 KiB reaches the store.* ended under a body of 1536 KiB/)
  await assert.rejects(asked(edge.origin, askPut, { ca: pem('entry-ca.pem') }), {
    fault: 'CertificateUntrusted',
  })
})
