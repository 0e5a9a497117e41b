// `fedsam site join` as its users start it: a file, a key, one TLS host in front of the gate and of an S3 server, and an ordinary worker in
// the same job.
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '#cli/run/servers/servers.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { startConnectProxy } from '../faults/connect-proxy.ts'
import { runFederation } from '../federation/federation.ts'
import { until } from '../until.ts'
import { JOIN, OPTIONS, openJob, siteFolder } from './joined-job.ts'

test('a site joins a job through one TLS host: the bytes of the same job without sites, and an audit log', async (t) => {
  const expected = await runFederation(OPTIONS)
  const { federation, edge, folder, run } = await openJob(t)
  const { code, stdout, stderr } = await run(startFedsam(folder, JOIN))
  assert.equal(code, 0, stderr + stdout)
  assert.equal(await federation.model(), expected.model)
  assert.match(stdout, /^heart: hospital-a in team\/test: takes part$/m)
  assert.match(stdout, /round 2: trains/)
  const audit = (await readFile(join(folder, 'state', 'audit.jsonl'), 'utf8')).trim().split('\n')
  const events = audit.map((line) => JSON.parse(line) as { event: string; method?: string; url?: string })
  const moved = events
    .filter(({ event }) => event === 'Grant')
    .map(({ method, url }) => `${method} ${new URL(url!).pathname}`)
  assert.deepEqual(moved, edge.passed)
  assert.ok(moved.length > 4)
})

test('a site that is killed in a round and starts again: the same bytes, and the ledger counts each round once', async (t) => {
  const expected = await runFederation(OPTIONS)
  const { federation, folder, run } = await openJob(t)
  const killed = startFedsam(folder, JOIN, {
    onLine: (line, child) => void (line.endsWith('round 1: trains') && child.kill('SIGKILL')),
  })
  const { code, stdout, stderr } = await run(
    killed.then((first) => {
      assert.equal(first.code, null)
      return startFedsam(folder, JOIN)
    }),
  )
  assert.equal(code, 0, stderr + stdout)
  assert.equal(await federation.model(), expected.model)
  // The worker sent the first parameters.
  const ledger = await readFile(join(folder, 'state', 'ledger.json'), 'utf8')
  assert.equal(/"updates":(\d+)/.exec(ledger)?.[1], '2', ledger)
})

test('a site behind a proxy that cuts every connection after 12 kB: the same bytes, and no other address', async (t) => {
  const expected = await runFederation(OPTIONS)
  const { federation, edge, proxy, folder, run } = await openJob(t, ({ host, port }) =>
    startConnectProxy({ targets: { [host]: port }, cutAfter: () => 12_000 }),
  )
  const { code, stdout, stderr } = await run(startFedsam(folder, JOIN))
  assert.equal(code, 0, stderr + stdout)
  assert.equal(await federation.model(), expected.model)
  assert.deepEqual([...new Set(proxy!.asked)], [edge.host])
  assert.ok(proxy!.planned() > 2, `${proxy!.planned()} cuts`)
})

test('a site that joins a job which fails ends with 1, and with the reason', async (t) => {
  const stopping = { bestBy: { metric: 'absent', mode: 'Max' }, stopWhen: null } as const
  const { folder, run } = await openJob(t, undefined, { fixed: { stopping } })
  const joined = startFedsam(folder, JOIN)
  await assert.rejects(run(joined), { code: 'RunFailed' })
  const { code, stderr } = await joined
  assert.equal(code, 1)
  assert.match(stderr, /the job team\/quadratic has no result: the run failed: MetricNotReported/)
})

test('a job that the file does not list is refused at once, with the line; the key is not used', async (t) => {
  const folder = await siteFolder(`localhost:${await freePort()}`)
  t.after(() => rm(folder, { recursive: true }))
  const { code, stderr } = await startFedsam(folder, ['site', 'join', 'site.yaml', 'team/other'])
  assert.equal(code, 2)
  assert.match(stderr, /site\.yaml does not list the job team\/other[\s\S]*site\.yaml:9/)
})

test('a federation whose certificates are missing ends the program, also where another one still tries', async (t) => {
  const folder = await siteFolder(`localhost:${await freePort()}`)
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'site.yaml')
  const text = await readFile(file, 'utf8')
  const [start, heart, rest] = text.split(/(?<=federations:\n)|(?=datasets:)/) as [string, string, string]
  const other = heart.replace('heart', 'lung').replace(/ca: .*/, 'ca: missing.pem')
  await writeFile(file, start + heart + other + rest)
  const { code, stderr } = await startFedsam(folder, ['site', 'run', 'site.yaml'])
  assert.equal(code, 2)
  assert.match(stderr, /certificates of the federation lung cannot be read/)
})

test('a federation that cannot be reached is said once, and SIGTERM ends the program with 130', async (t) => {
  const folder = await siteFolder(`localhost:${await freePort()}`)
  t.after(() => rm(folder, { recursive: true }))
  const { code, stdout } = await startFedsam(folder, ['site', 'run', 'site.yaml'], {
    onLine: (line, child) => {
      if (line.includes('not connected')) child.kill('SIGTERM')
    },
  })
  assert.equal(code, 130)
  assert.equal(stdout.match(/not connected/g)?.length, 1)
})

test('a trainer that is silent for the noProgressSeconds of the site is ended, whatever the job says', async (t) => {
  const { federation, folder } = await openJob(t)
  const file = join(folder, 'site.yaml')
  const text = await readFile(file, 'utf8')
  const silent = text.replace(/command: \[.*?\], jobCommand/, 'command: [sleep, "100000"], jobCommand')
  assert.notEqual(silent, text)
  await writeFile(file, `${silent}noProgressSeconds: 1\n`)
  void federation.coordinate().catch(() => {})
  let said = ''
  const joined = startFedsam(folder, JOIN, {
    onLine: (line, child) => {
      if (!line.includes('the worker starts again')) return
      said = line
      child.kill('SIGTERM')
    },
  })
  await until('the silence is said', () => said !== '')
  assert.match(said, /for 1 s/)
  assert.equal((await joined).code, 130)
})
