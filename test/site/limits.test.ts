// A site's rules, ledger and audit log in a real run, over a real nats-server: a hostile job, a limit that a run reaches, and
// a state that may leave or not.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readStates } from '#coordinator/record/client-states.ts'
import { completeSpec } from '#protocol/defaults.ts'
import { jobText } from '#protocol/sites.ts'
import { admitTask } from '#site/agent/admit.ts'
import { siteRules } from '#site/agent/rules.ts'
import { AUDIT_FILE, createAuditLog } from '#site/audit/audit-log.ts'
import { siteOf } from '#site/file/site.ts'
import { openLedger, readCounts } from '#site/ledger/ledger.ts'
import { eventsOf, type FederationOptions, seen } from '../federation/federation.ts'
import { closedOf, resultOf } from '../federation/record.ts'
import { startedEnvironment } from '../given/started.ts'
import { until } from '../until.ts'
import { JOB, openSiteFederation, SIZE } from './site-federation.ts'

const TRAINER = fileURLToPath(new URL('../trainers/quadratic-main.ts', import.meta.url))
const CLIENTS = ['hospital-a', 'hospital-b', 'pod']

/** A run whose job names this command, and whose rounds need two of the three clients, and wait some seconds for the third. */
function optionsOf(command: readonly string[], settleSeconds: number): FederationOptions {
  const { strategy, trainer } = completeSpec({
    strategy: { minFitClients: 2 },
    trainer: { type: 'Command', command: { command } },
    partitions: CLIENTS.map((name) => ({ name })),
  })
  return {
    clients: CLIENTS,
    rounds: 3,
    fixed: { minFitClients: 2, minAvailableClients: 2, spec: { strategy, trainer } },
    round: { quorum: 2, settleSeconds },
    pace: { holdSeconds: 1, silenceSeconds: 100_000 },
    answerSeconds: 4,
  }
}

/** The rules of a site that lets a job named `train` take this many updates. `states`: its trainer keeps one, and it may leave. */
async function rulesOf(t: TestContext, updates: number, states: 'None' | 'Stay' | 'Leave' = 'None') {
  const counts = states === 'None' ? [] : ['counts']
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-limits-'))
  t.after(() => rm(folder, { recursive: true }))
  const site = siteOf(
    {
      key: 'k',
      folder,
      federations: [
        {
          name: 'heart',
          trust: ['0'.repeat(64)],
          bus: 'wss://h/b',
          store: 'https://h',
          jobs: [{ job: jobText(JOB), dataset: 'table', trainer: 'own' }],
        },
      ],
      datasets: { table: { path: folder, limits: { updates } } },
      trainers: {
        own: {
          command: [process.execPath, TRAINER, 'hospital-a', String(SIZE), ...counts],
          jobCommand: ['train'],
        },
      },
      states: states === 'Leave',
    },
    { file: join(folder, 'site.yaml'), folder, lineOf: () => 7 },
  )
  const ledger = await openLedger(folder)
  t.after(() => ledger.close())
  const now = () => Date.now()
  const audit = createAuditLog(folder, now)
  const admit = admitTask(site, { ledger, audit, now })
  const env = startedEnvironment()
  return {
    folder,
    decide: siteRules({ site, federation: site.federations[0]!, env, admit, audit, log: () => {} }),
    async lines(event: string) {
      const text = await readFile(join(folder, AUDIT_FILE), 'utf8')
      const all = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      return all.filter((line) => line.event === event)
    },
  }
}

test('a job with a command that the site did not install: the reason is on both sides, and nothing ran', async (t) => {
  const options = optionsOf(['sh', '-c', 'cat /etc/shadow'], 1)
  const { federation, startSite, close } = await openSiteFederation(['hospital-a', 'hospital-b'], options)
  const rules = await rulesOf(t, 100)
  const reason = 'the job names a command that the site did not install'
  try {
    startSite('hospital-a', { decide: rules.decide })
    const run = federation.coordinate()
    await seen(federation, 'Waiting', ({ absent }) => absent.some(({ message }) => message === reason))
    startSite('hospital-b')
    void federation.work('pod')
    await run
    const [line] = await rules.lines('Job')
    assert.deepEqual([line!.decision, line!.reason, line!.line], ['Refused', reason, 7])
    assert.deepEqual(await rules.lines('Task'), [])
    assert.deepEqual((await readCounts(rules.folder)).datasets, [])
  } finally {
    await close()
  }
})

test('a run that reaches a limit of the site ends without it: it declines once, and the ledger has what the site gave', async (t) => {
  const { federation, startSite, close } = await openSiteFederation(
    ['hospital-a', 'hospital-b'],
    optionsOf(['train'], 600),
  )
  const rules = await rulesOf(t, 2)
  try {
    const agent = startSite('hospital-a', { decide: rules.decide })
    startSite('hospital-b')
    void federation.work('pod')
    await federation.coordinate()
    const failed = eventsOf(federation.events, 'ClientFailed').filter(({ client }) => client === 'hospital-a')
    const message = "the site's limit for this data is reached: updates is 2, over all jobs"
    assert.deepEqual(
      failed.map((one) => [one.reason, one.message]),
      [['SiteRefused', message]],
    )
    const last = eventsOf(federation.events, 'AttemptOpened').at(-1)!
    const declined = last.absent.find(({ client }) => client === 'hospital-a')
    assert.deepEqual(
      [declined?.outcome, declined?.reason, declined?.message],
      ['Refused', 'Declined', message],
    )
    await until('it learns the end', () => agent.ends.length === 1)
    assert.equal(agent.ends[0]?.kind, 'Finished')
    assert.equal((await readCounts(rules.folder)).datasets[0]?.updates, 2)
    const decisions = (await rules.lines('Task')).map(({ decision }) => decision)
    assert.ok(decisions.includes('Allowed') && decisions.includes('Refused'))
  } finally {
    await close()
  }
})

for (const [states, outcome, message] of [
  ['Leave', 'Accepted', /^$/],
  ['Stay', 'Failed', /names no state_output, and this trainer keeps a state/],
] as const)
  test(`a state of a site where the file lets it ${states.toLowerCase()}: ${outcome}`, async (t) => {
    const { federation, startSite, close } = await openSiteFederation(
      ['hospital-a', 'hospital-b'],
      optionsOf(['train'], 600),
    )
    const rules = await rulesOf(t, 100, states)
    try {
      startSite('hospital-a', { decide: rules.decide })
      startSite('hospital-b')
      void federation.work('pod')
      await federation.coordinate()
      const { outcomes } = await closedOf(federation.store, 2)
      const own = outcomes.find(({ client }) => client === 'hospital-a')
      assert.equal(own?.outcome, outcome)
      assert.match(own!.message, message)
      const kept = await readStates(federation.store, await resultOf(federation.store, 4))
      assert.deepEqual(
        kept.map(({ client }) => client),
        states === 'Leave' ? ['hospital-a'] : [],
      )
    } finally {
      await close()
    }
  })
