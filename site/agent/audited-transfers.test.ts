// Grants in the audit log: one line before each transfer, one more where it is refused, and no query.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { AUDIT_FILE, auditLogOn, createAuditLog } from '../audit/audit-log.ts'
import { auditedTransfers } from './audited-transfers.ts'

const GRANT = {
  method: 'GET',
  url: 'https://evil.example/b/key?X-Amz-Signature=secret',
  headers: {},
} as const
const TRANSFERS = createGrantedTransfers({ stores: ['https://fed.example.org/'] })

test('a grant for another origin is refused, and the log names it without its query', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-audited-'))
  t.after(() => rm(folder, { recursive: true }))
  const transfers = auditedTransfers(
    TRANSFERS,
    createAuditLog(folder, () => 0),
    'heart',
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
    'heart',
  )
  await assert.rejects(transfers.read(GRANT), { code: 'SiteRefused' })
  assert.equal(used, 0)
})
