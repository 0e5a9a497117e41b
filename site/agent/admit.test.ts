// A task is counted and logged before it begins; one that is over a limit is refused on the disk and to the coordinator.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Task } from '#protocol/messages.ts'
import { AUDIT_FILE, createAuditLog } from '../audit/audit-log.ts'
import type { Site } from '../file/site.ts'
import { openLedger } from '../ledger/ledger.ts'
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
      code: 'SiteRefused',
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
