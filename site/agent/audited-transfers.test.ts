// Grants in the audit log: one line before each transfer, one more where it is refused, and no query.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startTlsEdge } from '#test/given/tls-edge.ts'
import { pem } from '#test/given/websocket-server.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { AUDIT_FILE, auditLogOn, createAuditLog } from '../audit/audit-log.ts'
import { auditedTransfers } from './audited-transfers.ts'
import { watchInterception } from './interception.ts'

const GRANT = {
  method: 'GET',
  url: 'https://evil.example/b/key?X-Amz-Signature=secret',
  headers: {},
} as const
const ABOUT = { federation: 'heart', interception: { failed: async () => {}, trusted: () => {} } }
const TRANSFERS = createGrantedTransfers({ stores: ['https://fed.example.org/'] })

test('a grant for another origin is refused, and the log names it without its query', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-audited-'))
  t.after(() => rm(folder, { recursive: true }))
  const transfers = auditedTransfers(
    TRANSFERS,
    createAuditLog(folder, () => 0),
    ABOUT,
  )
  await assert.rejects(transfers.read(GRANT), { name: 'GrantRefused' })
  const text = await readFile(join(folder, AUDIT_FILE), 'utf8')
  assert.ok(!text.includes('secret'))
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const about = {
    time: '1970-01-01T00:00:00.000Z',
    event: 'Grant',
    federation: 'heart',
    method: 'GET',
    url: 'https://evil.example/b/key',
  }
  assert.deepEqual(lines[0], { ...about, bytes: 0 })
  assert.deepEqual([lines[1].url, lines.length], [about.url, 2])
  assert.match(lines[1].refused, /not for https:\/\/evil\.example$/)
})

test('without its line a grant is not used', async () => {
  let used = 0
  const inner = { ...TRANSFERS, read: async () => Uint8Array.of(++used) }
  const transfers = auditedTransfers(
    inner,
    auditLogOn('/dev/full', () => 0),
    ABOUT,
  )
  await assert.rejects(transfers.read(GRANT), { code: 'SiteRefused' })
  assert.equal(used, 0)
})

/** A store that redirects, and the transfers of a site that trusts its certificate, or another authority. */
async function redirecting(t: TestContext, ca: string) {
  const edge = await startTlsEdge({
    store: 'http://127.0.0.1:2',
    redirectTo: 'https://evil.example/x?secret',
  })
  t.after(() => edge.close())
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-audited-'))
  t.after(() => rm(folder, { recursive: true }))
  const log: string[] = []
  const audit = createAuditLog(folder, () => 0)
  const way = { ca: pem(ca) }
  const interception = watchInterception({ federation: 'heart', way, audit, log: (line) => log.push(line) })
  const real = createGrantedTransfers({ site: { origin: edge.origin, ...way }, attempts: 2 })
  const transfers = auditedTransfers(real, audit, { federation: 'heart', interception })
  const url = `${edge.origin}/b/key?X-Amz-Signature=secret`
  const uses: readonly (() => Promise<unknown>)[] = [
    () => transfers.read({ method: 'GET', url, headers: {} }),
    () => transfers.download({ method: 'GET', url, headers: {} }, join(folder, 'file')),
    () => transfers.write({ method: 'PUT', url, headers: {} }, Buffer.from('update')),
  ]
  const lines = async () => {
    const text = await readFile(join(folder, AUDIT_FILE), 'utf8')
    assert.ok(!text.includes('secret'))
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
  return { edge, log, interception, uses, lines }
}

test('a redirect is refused in both directions, and the log names where it leads to', async (t) => {
  const { uses, lines } = await redirecting(t, 'ca.pem')
  for (const use of uses) await assert.rejects(use(), { name: 'GrantRefused' })
  const refused = (await lines()).filter((line) => line.refused !== undefined)
  assert.deepEqual(
    refused.map(({ event, method }) => [event, method]),
    [
      ['Grant', 'GET'],
      ['Grant', 'GET'],
      ['Grant', 'PUT'],
    ],
  )
  for (const line of refused)
    assert.match(String(line.refused), /redirects to https:\/\/evil\.example; no redirect/)
})

test('grants for another origin are refused in both directions', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-audited-'))
  t.after(() => rm(folder, { recursive: true }))
  const audit = createAuditLog(folder, () => 0)
  const transfers = auditedTransfers(TRANSFERS, audit, ABOUT)
  await assert.rejects(transfers.download(GRANT, join(folder, 'file')), { name: 'GrantRefused' })
  await assert.rejects(transfers.write({ ...GRANT, method: 'PUT' }, Buffer.from('update')), {
    name: 'GrantRefused',
  })
  const text = await readFile(join(folder, AUDIT_FILE), 'utf8')
  assert.equal(text.match(/"refused":"[^"]*not for https:\/\/evil\.example"/g)?.length, 2)
})

test('a certificate that is not trusted is named once with its issuer, and again after the store was trusted', async (t) => {
  const { edge, log, interception, uses, lines } = await redirecting(t, 'entry-ca.pem')
  const named = async () => (await lines()).filter(({ event }) => event === 'Connection')
  for (const use of uses) await assert.rejects(use(), { code: 'StorageUnreachable' })
  const [line, ...others] = await named()
  assert.deepEqual(others, [])
  assert.deepEqual([line!.federation, line!.url], ['heart', `${edge.origin}/b/key`])
  assert.match(
    String(line!.refused),
    /the certificate of localhost, by "fedsam test authority", is not trusted: \w+/,
  )
  assert.equal(log.length, 1)
  assert.match(log[0]!, /by "fedsam test authority".*nothing was sent.*tries again/)
  interception.trusted(edge.origin)
  await assert.rejects(uses[2]!(), { code: 'StorageUnreachable' })
  assert.equal((await named()).length, 2)
  assert.deepEqual(edge.passed, [])
})
