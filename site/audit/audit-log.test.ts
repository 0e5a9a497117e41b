// The audit log on a real disk: what a line may hold, who may read it, rotation, a full disk.
import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rename, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AUDIT_FILE, auditLine, auditLogOn, createAuditLog } from './audit-log.ts'

const NOW = Date.UTC(2026, 10, 30, 12)

async function logOf(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-audit-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, AUDIT_FILE)
  const lines = async () => (await readFile(file, 'utf8')).split('\n')
  return { log: createAuditLog(folder, () => NOW), file, lines }
}

test('each entry is one line of JSON with its time, in a private file', async (t) => {
  const { log, file, lines } = await logOf(t)
  await Promise.all(
    [1, 2, 3].map((round) => log.write({ event: 'Task', round, allowed: true, reason: 'a\nb' })),
  )
  const found = await lines()
  assert.deepEqual(JSON.parse(found[0]!), {
    time: '2026-11-30T12:00:00.000Z',
    event: 'Task',
    round: 1,
    allowed: true,
    reason: 'a\nb',
  })
  assert.deepEqual([found.length, found[3]], [4, ''])
  assert.equal((await stat(file)).mode & 0o777, 0o600)
})

test('a line has neither the query of a URL nor a password, and is bounded', () => {
  const hostile = {
    url: 'GET https://me:secret@store.example/bucket/key?X-Amz-Signature=secret&b=secret#secret then wss://h/bus?secret',
    long: `${'x'.repeat(100_000)}`,
    time: 'secret',
    ...Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`field-${at}`, '\u0000'.repeat(10_000)])),
  }
  const line = auditLine({ event: 'Grant', ...hostile }, NOW)
  assert.ok(!line.includes('secret'), line.slice(0, 500))
  assert.ok(line.includes('GET https://store.example/bucket/key then wss://h/bus'), line.slice(0, 500))
  assert.ok(Buffer.byteLength(line) < 128 * 1024)
  assert.equal(line.indexOf('\n'), line.length - 1)
})

test('a log that is renamed, or copied and truncated, continues in the file of its name', async (t) => {
  const { log, file, lines } = await logOf(t)
  await log.write({ event: 'Task', round: 1 })
  await rename(file, `${file}.1`)
  await log.write({ event: 'Task', round: 2 })
  assert.match((await lines())[0]!, /"round":2/)
  await truncate(file, 0)
  await log.write({ event: 'Task', round: 3 })
  assert.deepEqual(
    (await lines()).map((line) => /"round":\d/.exec(line)?.[0]),
    ['"round":3', undefined],
  )
})

test('a line that was cut off does not join the next one', async (t) => {
  const { log, file, lines } = await logOf(t)
  await log.write({ event: 'Task', round: 1 })
  await appendFile(file, '{"time":"2026')
  await log.write({ event: 'Task', round: 2 })
  assert.match((await lines())[2]!, /^\{"time".*"round":2\}$/)
})

test('a full disk refuses the work, and names the reason without a path', async () => {
  await assert.rejects(auditLogOn('/dev/full', () => NOW).write({ event: 'Task' }), {
    code: 'SiteRefused',
    message: 'the site cannot write its audit log (ENOSPC)',
  })
})
