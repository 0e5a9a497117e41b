// Grants for sites, redeemed through an edge that ends TLS in front of a real S3 server: one right to one object, by the public name alone.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type S3Server, startS3 } from '#cli/run/servers/servers.ts'
import { sha256 } from '#protocol/digest.ts'
import { overTls, startTlsEdge, type TlsEdge } from '#test/given/tls-edge.ts'
import type { ObjectStore, SiteGrants } from '../../ports.ts'
import { openS3Store } from './store.ts'

const BODY = new Uint8Array(1000).map((_, at) => at % 251)
const TERMS = { size: BODY.byteLength, sha256: sha256(BODY) }

let folder: string
let server: S3Server
let edge: TlsEdge
let store: ObjectStore
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-site-grants-'))
  server = await startS3({ folder: join(folder, 's3'), bucket: 'fedsam', log: () => {} })
  edge = await startTlsEdge({ store: server.endpoint })
  store = openFor(edge.origin)
})
after(async () => {
  await store?.close()
  await edge?.close()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

function openFor(publicEndpoint: string): ObjectStore {
  const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey }
  const options = { bucket: 'fedsam', prefix: 'runs/one', endpoint: server.endpoint, credentials }
  return openS3Store({ ...options, publicEndpoint })
}

const forSites = (): SiteGrants => store.forSites ?? assert.fail('the store has a public name')

test('a site writes once, whole and in parts, and reads whole and by ranges, by the public name', async () => {
  const write = await forSites().grantWrite('a', TERMS, 300)
  assert.equal(new URL(write.url).origin, edge.origin)
  assert.equal((await overTls(write.url, { ...write, body: BODY })).status, 200)
  assert.equal((await overTls(write.url, { ...write, body: BODY })).status, 412, 'a second write')
  const read = await forSites().grantRead('a', 300)
  assert.deepEqual(new Uint8Array((await overTls(read.url, read)).body), BODY)
  const part = await overTls(read.url, { ...read, headers: { range: 'bytes=10-19' } })
  assert.deepEqual([part.status, ...part.body], [206, ...BODY.subarray(10, 20)])
  const upload = await store.openUpload('parts')
  const sent = await forSites().grantPart('parts', upload, { number: 1, ...TERMS }, 300)
  assert.equal((await overTls(sent.url, { ...sent, body: BODY })).status, 200)
  assert.equal(
    await store.completeUpload('parts', upload, await store.uploadedParts('parts', upload)),
    'Created',
  )
  assert.deepEqual(await store.get('parts'), BODY)
  assert.ok(
    edge.passed.every((line) => line.split(' ')[1]!.startsWith('/fedsam/runs/one/')),
    String(edge.passed),
  )
})

test('a grant is for one object, one method and these bytes; the store refuses all else', async () => {
  const write = await forSites().grantWrite('b', TERMS, 300)
  const elsewhere = write.url.replace('/runs/one/b?', '/runs/one/c?')
  assert.notEqual(elsewhere, write.url)
  assert.equal((await overTls(elsewhere, { ...write, body: BODY })).status, 403)
  assert.equal((await overTls(write.url, { method: 'GET' })).status, 403)
  const other = BODY.toReversed()
  assert.ok((await overTls(write.url, { ...write, body: other })).status >= 400)
  assert.ok((await overTls(write.url, { ...write, headers: {}, body: BODY })).status >= 400, 'may overwrite')
  assert.equal(await store.size('b'), undefined)
  assert.equal(new URL(write.url).searchParams.get('X-Amz-Expires'), '300')
})

test('grants of other clients keep the internal address', async () => {
  const grant = await store.grantWrite('d', TERMS, 60)
  assert.equal(new URL(grant.url).origin, new URL(server.endpoint).origin)
})

test('an edge that changes Host breaks the signature', async () => {
  const rewriting = await startTlsEdge({
    store: server.endpoint,
    rewrittenHost: new URL(server.endpoint).host,
  })
  const own = openFor(rewriting.origin)
  try {
    const write = await own.forSites!.grantWrite('e', TERMS, 300)
    assert.equal((await overTls(write.url, { ...write, body: BODY })).status, 403)
  } finally {
    await own.close()
    await rewriting.close()
  }
})

test('the port 443 is not part of the signed host; an address that is no origin with TLS is refused', async () => {
  for (const text of ['https://fed.example.org', 'https://fed.example.org:443']) {
    const own = openFor(text)
    const { url } = await own.forSites!.grantRead('a', 300)
    assert.equal(new URL(url).href.startsWith('https://fed.example.org/fedsam/runs/one/a?'), true, url)
    await own.close()
  }
  const wrong = [
    'http://fed.example.org',
    'https://fed.example.org/store',
    'https://u:p@fed.example.org',
    'fed',
  ]
  for (const text of [
    ...wrong,
    'https://fed.example.org?x',
    'https://fed.example.org:99999',
    'https://fed.example.org#f',
  ])
    assert.throws(() => openFor(text), { code: 'InvalidJob', message: /publicEndpoint/ }, text)
})
