// Transfers of a site with a real S3 server behind TLS and a proxy: what it refuses, and that both directions resume on lines that are cut.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startS3 } from '#cli/run/servers/servers.ts'
import { type ConnectProxy, startConnectProxy } from '#test/faults/connect-proxy.ts'
import type { CutPlan } from '#test/faults/lines.ts'
import { startTlsEdge } from '#test/given/tls-edge.ts'
import { pem } from '#test/given/websocket-server.ts'
import { type Grant, GrantRefused, type ObjectStore } from '../ports.ts'
import { openS3Store } from '../store/s3/store.ts'
import { createGrantedTransfers } from './transfers.ts'

const ORIGIN = 'https://federation.example'
const MiB = 1024 * 1024
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const ends: (() => Promise<unknown>)[] = []
let folder: string
/** The store as the coordinator uses it, and one that only signs, for the name outside. */
let store: ObjectStore
let outside: ObjectStore
let edgePort: number

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-site-grants-'))
  const server = await startS3({ folder: join(folder, 's3'), bucket: 'models' })
  const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey }
  const openAt = (endpoint: string) =>
    openS3Store({ bucket: 'models', prefix: 'run', endpoint, credentials, env: {} })
  store = openAt(server.endpoint)
  outside = openAt(ORIGIN)
  const edge = await startTlsEdge({ store: server.endpoint, files: 'entry' })
  edgePort = edge.port
  ends.push(
    () => edge.close(),
    () => store.close(),
    () => outside.close(),
    () => server.stop(),
  )
})
after(async () => {
  for (const end of ends) await end()
  await rm(folder, { recursive: true })
})

const siteBy = (proxy: string, ca = pem('entry-ca.pem')) =>
  createGrantedTransfers({ site: { origin: ORIGIN, ca, proxy }, attempts: 3 })

/** A proxy of this test, which alone knows where the store is. */
async function proxyFor(
  t: { after(end: () => Promise<unknown>): void },
  cutAfter: CutPlan = () => undefined,
): Promise<ConnectProxy> {
  const proxy = await startConnectProxy({ targets: { 'federation.example:443': edgePort }, cutAfter })
  t.after(() => proxy.close())
  return proxy
}

test('a download over a line that cuts each connection has the bytes, and asks for none twice but the last', async (t) => {
  const body = randomBytes(6 * MiB)
  await store.put('down', body)
  const proxy = await proxyFor(t, () => MiB)
  const grant = await outside.grantRead('down', 300)
  const file = join(folder, 'down')
  const { size, sha256 } = await siteBy(proxy.url).download(grant, file)
  assert.deepEqual([size, sha256], [body.length, digestOf(body)])
  assert.equal(digestOf(await readFile(file)), digestOf(body))
  // Each connection brings nearly 1 MiB: a download from the start again would never end.
  assert.ok(proxy.count() >= 6)
  assert.deepEqual([...new Set(proxy.asked)], ['federation.example:443'])
})

test('an upload in parts over a line that cuts connections arrives, and the parts that had arrived are not sent again', async (t) => {
  const body = randomBytes(11 * MiB)
  // Connection 0 is cut in the first part; 1 carries it, and is cut in the second one; 2 is cut there, too.
  const proxy = await proxyFor(t, (connection) => [3 * MiB, 7 * MiB, 2 * MiB][connection])
  const transfers = siteBy(proxy.url)
  const upload = await store.openUpload('up')
  const parts = [body.subarray(0, 5 * MiB), body.subarray(5 * MiB, 10 * MiB), body.subarray(10 * MiB)]
  for (const [at, part] of parts.entries()) {
    const terms = { number: at + 1, size: part.length, sha256: digestOf(part) }
    assert.equal(await transfers.write(await outside.grantPart('up', upload, terms, 300), part), 'Created')
  }
  assert.equal(await store.completeUpload('up', upload, await store.uploadedParts('up', upload)), 'Created')
  assert.equal(digestOf((await store.get('up'))!), digestOf(body))
  assert.ok(proxy.count() >= 4)
})

test('a small write whose answer was lost is found in its place', async (t) => {
  const body = randomBytes(1000)
  const terms = { size: body.length, sha256: digestOf(body) }
  const proxy = await proxyFor(t)
  const transfers = siteBy(proxy.url)
  const grant = await outside.grantWrite('once', terms, 300)
  assert.equal(await transfers.write(grant, body), 'Created')
  proxy.cut()
  assert.equal(await transfers.write(grant, body), 'Exists')
  assert.deepEqual(Buffer.from(await transfers.read(await outside.grantRead('once', 300))), body)
})

/** Everything that an error shows, with its causes. */
function shown(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { remedy = '' } = error as { readonly remedy?: string }
  return [error.message, error.stack, remedy, shown(error.cause ?? '')].join('\n')
}

test('grants of other origins and other headers are refused before a connection', async (t) => {
  const proxy = await proxyFor(t)
  const transfers = siteBy(proxy.url)
  const { url } = await outside.grantRead('down', 300)
  const foreign = [
    url.replace('federation.example', 'other.example'),
    url.replace('https:', 'http:'),
    url.replace('federation.example', 'federation.example:8443'),
    url.replace('federation.example', 'federation.example@other.example'),
    url.replace('https://', 'https://somebody:secret@'),
    url.replace('federation.example', 'federation.example.other.example'),
    'file:///etc/passwd',
    'memory:down',
    'data:text/plain,x',
  ]
  const refusal = async (grant: Grant) =>
    transfers.read(grant).then(
      () => 'used',
      (error) => (error instanceof GrantRefused ? error.reason : String(error)),
    )
  for (const one of foreign)
    assert.equal(await refusal({ method: 'GET', url: one, headers: {} }), 'ForeignAddress', one)
  for (const name of ['host', 'Host', 'authorization', 'proxy-authorization', 'transfer-encoding', 'cookie'])
    assert.equal(await refusal({ method: 'GET', url, headers: { [name]: 'x' } }), 'ForeignHeader', name)
  assert.deepEqual(proxy.asked, [])
  assert.equal(
    await refusal({ method: 'GET', url: url.replace('federation', 'FEDERATION'), headers: {} }),
    'used',
  )
})

test('a redirect is refused by its name, another authority too, and no error shows the query of a grant', async (t) => {
  const { url } = await outside.grantRead('down', 300)
  const query = new URL(url).search.slice(1)
  const redirecting = createServer({ cert: pem('entry.pem'), key: pem('entry.key') }, (request, response) => {
    const to = request.url!.includes('near') ? '/models/run/other' : 'https://other.example/x?secret=1'
    response.writeHead(307, { location: to }).end()
  }).listen(0, '127.0.0.1')
  await once(redirecting, 'listening')
  t.after(async () => redirecting.close())
  const { port } = redirecting.address() as AddressInfo
  const proxy = await startConnectProxy({ targets: { 'federation.example:443': port } })
  t.after(() => proxy.close())
  const failure = (transfers: ReturnType<typeof siteBy>, at: string) =>
    transfers.read({ method: 'GET', url: at, headers: {} }).then(
      () => assert.fail('it was read'),
      (error: Error) => error,
    )

  const far = await failure(siteBy(proxy.url), url)
  const near = await failure(siteBy(proxy.url), url.replace('down', 'near'))
  for (const error of [far, near]) assert.equal((error as GrantRefused).reason, 'Redirect')
  assert.match(far.message, /redirects to https:\/\/other\.example; no redirect is followed/)
  assert.deepEqual([...new Set(proxy.asked)], ['federation.example:443'])

  const intercepted = await failure(siteBy(proxy.url, pem('ca.pem')), url)
  assert.match(shown(intercepted), /certificate/)
  const refusing = await startConnectProxy({ targets: {}, credentials: 'a:b' })
  t.after(() => refusing.close())
  const unknown = await failure(siteBy(refusing.url.replace('//', '//a:password@')), url)
  assert.match(unknown.message, /407/)
  const signed = /X-Amz-Signature=([0-9a-f]+)/.exec(query)![1]!
  for (const error of [far, near, intercepted, unknown])
    for (const secret of [signed, 'secret=1', 'password'])
      assert.ok(!shown(error).includes(secret), `${secret} in ${shown(error)}`)
})

test('no variable of the environment changes the way', async (t) => {
  const proxy = await proxyFor(t)
  const other = await startConnectProxy({ targets: {} })
  t.after(() => other.close())
  const before = { ...process.env }
  t.after(async () => {
    for (const name of ['HTTPS_PROXY', 'NO_PROXY'])
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
  })
  for (const [name, value] of [
    ['HTTPS_PROXY', other.url],
    ['NO_PROXY', 'federation.example'],
  ] as const) {
    process.env[name] = value
    await siteBy(proxy.url).read(await outside.grantRead('down', 300), { offset: 0, length: 5 })
  }
  assert.deepEqual(other.asked, [])
  assert.equal(proxy.asked.length, 2)
})
