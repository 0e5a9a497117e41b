// The rules of a site as the agent asks them, from run.json to the program and the audit log. Every word that runs is the site's.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import type { RunRecord } from '#protocol/record.ts'
import { AUDIT_FILE, createAuditLog } from '../audit/audit-log.ts'
import { siteOf } from '../file/site.ts'
import type { Decision } from './decision.ts'
import { refuseUnlisted, refuseVersion, siteRules } from './rules.ts'

const SITE = siteOf(
  {
    key: 'k',
    folder: 'f',
    federations: [
      {
        name: 'heart',
        trust: ['0'.repeat(64)],
        bus: 'wss://h/b',
        store: 'https://h',
        jobs: [{ job: 'team/own', dataset: 'table', trainer: 'own' }],
      },
    ],
    datasets: { table: { path: '/data/table' } },
    trainers: {
      own: { command: ['/opt/train', '--fast'], jobCommand: ['train'], env: { PATH: '/opt', OWN: '1' } },
    },
  },
  { file: '/etc/site.yaml', folder: '/etc', lineOf: () => 7 },
)

/** What the site decides about a run whose job has this trainer, and the lines of its audit log. */
async function decided(t: TestContext, trainer: object): Promise<{ decision: Decision; lines: object[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-rules-'))
  t.after(() => rm(folder, { recursive: true }))
  const decide = siteRules({
    site: SITE,
    federation: SITE.federations[0]!,
    env: { PATH: '/usr/bin', HOME: '/home/site' },
    admit: async (_job, _run, task) => task,
    audit: createAuditLog(folder, () => 0),
    log: () => {},
  })
  const spec = { ...completeSpec({ partitions: [{ name: 'a' }] }), trainer: { config: {}, ...trainer } }
  const record = { uid: 'uid', base: null, spec } as unknown as RunRecord
  const decision = await decide({ job: { namespace: 'team', name: 'own' }, client: 'a', record })
  const text = await readFile(join(folder, AUDIT_FILE), 'utf8')
  return {
    decision,
    lines: text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  }
}

const command = (words: readonly string[], env: readonly object[] = []) => ({
  type: 'Command',
  command: { image: 'evil', command: words, args: [], env },
})
const ABOUT = {
  time: '1970-01-01T00:00:00.000Z',
  event: 'Job',
  federation: 'heart',
  job: 'team/own',
  run: 'uid',
  client: 'a',
}

test('the program of an allowed job is the site’s, with the variables of the site', async (t) => {
  const { decision, lines } = await decided(t, command(['train']))
  assert.ok(decision.kind === 'Allowed')
  const program = decision.program({ checkpoint: null, scratch: '/tmp/scratch' })
  assert.deepEqual(program.command, ['/opt/train', '--fast'])
  const { FEDSAM_CLIENT, FEDSAM_DATASET, ...others } = program.env
  assert.deepEqual(others, { PATH: '/opt', HOME: '/home/site', OWN: '1' })
  assert.equal(FEDSAM_CLIENT, 'a')
  assert.equal((JSON.parse(FEDSAM_DATASET!) as { root: string }).root, '/data/table')
  assert.deepEqual(lines, [{ ...ABOUT, decision: 'Allowed', dataset: 'table', trainer: 'own' }])
})

test('a hostile job is refused, with a line in the audit log that names the rule', async (t) => {
  const { decision, lines } = await decided(t, command(['train'], [{ name: 'LD_PRELOAD', value: 'x' }]))
  const reason = 'the job sets the variable LD_PRELOAD; a site sets no variable of a job'
  assert.equal(decision.kind === 'Refused' && decision.reason, reason)
  assert.deepEqual(lines, [{ ...ABOUT, decision: 'Refused', reason, line: 7 }])
})

test('a run.json whose values no job can have is refused, with its line', async (t) => {
  for (const trainer of [{ type: 'Shell' }, command([1 as unknown as string]), { type: 'SegmentAnything' }]) {
    const { decision, lines } = await decided(t, trainer)
    assert.equal(decision.kind, 'Refused')
    const reason = 'the job has values that this version of the site does not know'
    assert.deepEqual(lines, [{ ...ABOUT, decision: 'Refused', reason }])
  }
})

test('a run of a job that the file does not list has a line in the audit log', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-rules-'))
  t.after(() => rm(folder, { recursive: true }))
  const audit = createAuditLog(folder, () => 0)
  const place = { namespace: 'team', uid: 'uid', client: 'a' }
  const job = { namespace: 'team', name: 'drawn-in' }
  await refuseUnlisted({ site: SITE, federation: SITE.federations[0]!, audit })({ place, job })
  assert.deepEqual(JSON.parse(await readFile(join(folder, AUDIT_FILE), 'utf8')), {
    ...ABOUT,
    job: 'team/drawn-in',
    decision: 'Refused',
    reason: 'the site does not list the job',
    line: 7,
  })
})

test('a coordinator that the site does not understand has a line in the audit log, with the reason', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-rules-'))
  t.after(() => rm(folder, { recursive: true }))
  const audit = createAuditLog(folder, () => 0)
  const place = { namespace: 'team', uid: 'uid', client: 'a' }
  const reason = 'the client speaks version 2 and the coordinator version 4'
  await refuseVersion({ federation: SITE.federations[0]!, audit })({ place, reason })
  const { job: _, event: __, ...about } = ABOUT
  assert.deepEqual(JSON.parse(await readFile(join(folder, AUDIT_FILE), 'utf8')), {
    ...about,
    event: 'Version',
    namespace: 'team',
    decision: 'Refused',
    reason,
  })
})
