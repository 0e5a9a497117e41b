// A task is counted and logged before it begins; one that is over a limit is refused on the disk and to the coordinator.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Task } from '#protocol/messages.ts'
import { AUDIT_FILE, auditLogOn, createAuditLog } from '../audit/audit-log.ts'
import type { Site } from '../file/site.ts'
import { LEDGER_FILE, openLedger } from '../ledger/ledger.ts'
import type { AllowedJob } from '../policy/decide-job.ts'
import { admitTask } from './admit.ts'

const SITE = {
  datasets: { brain: { limits: { updates: 1 } } },
  metrics: { share: true, names: [] },
  models: [],
  lineOf: () => 9,
} as unknown as Site
const JOB = { listed: { dataset: 'brain' }, trainer: { kind: 'SegmentAnything' } } as unknown as AllowedJob
const RUN = { uid: 'u', client: 'a', name: 'team/brain' }
const task = (round: number, attempt = 1) =>
  ({ kind: 'Train', round, attempt, evaluate: false, seed: 's', base: null, config: {} }) as unknown as Task

test('a later attempt at the same work costs nothing; the next round is over the limit', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-admit-'))
  const ledger = await openLedger(folder)
  try {
    const admit = admitTask(SITE, { ledger, audit: createAuditLog(folder, () => 0), now: () => 0 })
    assert.deepEqual(await admit(JOB, RUN, task(1)), task(1))
    assert.deepEqual(await admit(JOB, RUN, task(1, 2)), task(1, 2))
    await assert.rejects(admit(JOB, RUN, task(2)), {
      name: 'RunDeclined',
      message: /limit .* is reached: updates is 1/,
    })
    const lines = (await readFile(join(folder, AUDIT_FILE), 'utf8')).trim().split('\n')
    assert.deepEqual(
      lines
        .map((line) => JSON.parse(line) as { decision: string; round: number; line?: number })
        .map(({ decision, round, line }) => [decision, round, line]),
      [
        ['Allowed', 1, undefined],
        ['Allowed', 1, undefined],
        ['Refused', 2, 9],
      ],
    )
  } finally {
    await ledger.close()
    await rm(folder, { recursive: true })
  }
})

test('a second job does not begin at zero, and other work under the name of a task counts', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-admit-'))
  t.after(() => rm(folder, { recursive: true }))
  const first = await openLedger(folder)
  const audit = createAuditLog(folder, () => 0)
  await admitTask(SITE, { ledger: first, audit, now: () => 0 })(JOB, RUN, task(1))
  await first.close()
  const ledger = await openLedger(folder)
  t.after(() => ledger.close())
  const admit = admitTask(SITE, { ledger, audit, now: () => 0 })
  await admit(JOB, RUN, task(1))
  const refused = { name: 'RunDeclined', message: /over all jobs/ }
  await assert.rejects(admit(JOB, { ...RUN, uid: 'another' }, task(1)), refused)
  const base = { key: 'b', size: 1, sha256: 'ab'.repeat(32), blocks: [] }
  const changes: readonly Partial<Task>[] = [
    { seed: 't' },
    { base },
    { config: { a: '1' } },
    { dtypes: ['F16'] },
  ]
  for (const change of changes) await assert.rejects(admit(JOB, RUN, { ...task(1), ...change }), refused)
})

test('a disk that takes no count, or no line, refuses the task', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-admit-'))
  t.after(() => rm(folder, { recursive: true }))
  const ledger = await openLedger(folder)
  t.after(() => ledger.close())
  const full = auditLogOn('/dev/full', () => 0)
  const admit = admitTask(SITE, { ledger, audit: full, now: () => 0 })
  await assert.rejects(admit(JOB, RUN, task(1)), { code: 'SiteRefused', message: /audit log \(ENOSPC\)/ })
  await mkdir(join(folder, `${LEDGER_FILE}.new`))
  const raised = { ...SITE, datasets: { brain: { limits: {} } } } as unknown as Site
  const other = admitTask(raised, { ledger, audit: full, now: () => 0 })
  await assert.rejects(other(JOB, RUN, task(2)), { code: 'SiteRefused', message: /ledger/ })
})

test('a message of a program is refused for the whole run, by name, with its place in the file; it costs nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-admit-'))
  t.after(() => rm(folder, { recursive: true }))
  const ledger = await openLedger(folder)
  t.after(() => ledger.close())
  const admit = admitTask(SITE, { ledger, audit: createAuditLog(folder, () => 0), now: () => 0 })
  const reason = "the job's strategy is a program, and a site takes part in rounds alone"
  const message = { ...task(1), kind: 'Message' } as Task
  await assert.rejects(admit(JOB, RUN, message), { name: 'RunDeclined', message: reason })
  const {
    decision,
    kind,
    reason: written,
    line,
  } = JSON.parse(await readFile(join(folder, AUDIT_FILE), 'utf8'))
  assert.deepEqual([decision, kind, written, line], ['Refused', 'Message', reason, 9])
  assert.deepEqual(await admit(JOB, RUN, task(1)), task(1), 'the only update of the limit is still there')
})
