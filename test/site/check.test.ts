// `fedsam site check --network` beside a run of a listed job: a grant's PUT and GET, while an agent of the same key takes part, and behind
// an entry that takes no large body.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { probeKey } from '#protocol/keys.ts'
import { CONVERSATION } from '#protocol/version.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { eventsOf, runFederation, seen } from '../federation/federation.ts'
import { JOIN, OPTIONS, openJob, SITE } from './joined-job.ts'

const CHECK = ['site', 'check', 'site.yaml', '--network']
const lineOf = (stdout: string, subject: string): string =>
  stdout
    .split(/\n(?=ok|problem|unseen|no |\d)/)
    .map((line) => line.replace(/\s+/g, ' '))
    .find((line) => line.includes(` ${subject}: `)) ?? stdout

test('beside an agent of the same key: the grant passes, the run has the same bytes, and no probe stays', async (t) => {
  const expected = await runFederation(OPTIONS)
  const { federation, edge, folder, start } = await openJob(t)
  const run = federation.coordinate()
  const takesPart = Promise.withResolvers<void>()
  const joined = startFedsam(folder, JOIN, {
    onLine: (line) => void (line.endsWith('takes part') && takesPart.resolve()),
  })
  await Promise.race([takesPart.promise, joined])
  const { stdout } = await startFedsam(folder, CHECK)
  assert.match(
    lineOf(stdout, 'store heart'),
    /^ok store heart: with a grant of team\.test\.hospital-a, PUT and GET of 1536 KiB pass/,
  )
  const probe = `/record/run/${probeKey(SITE)}`
  for (const method of ['PUT', 'GET'])
    assert.ok(edge.passed.includes(`${method} ${probe}`), edge.passed.join())
  start()
  await run
  const { code, stderr } = await joined
  assert.equal(code, 0, stderr)
  assert.equal(await federation.model(), expected.model)
  assert.equal(await federation.store.size(probeKey(SITE)), undefined)
})

test('without a run, PUT and GET reach the store without a grant, and the check says so; it writes no state', async (t) => {
  const { folder } = await openJob(t)
  const { stdout } = await startFedsam(folder, CHECK)
  assert.match(
    lineOf(stdout, 'store heart'),
    /^unseen store heart: PUT and GET with a grant were not tried: the coordinator of \S+ gives no grant: no coordinator answered.* check again while a job runs/,
  )
  assert.match(
    lineOf(stdout, 'PUT heart'),
    /^(ok|unseen) PUT heart: PUT with a body of (4|1536) KiB reaches the store/,
  )
  assert.match(lineOf(stdout, 'GET heart'), /^ok GET heart: GET reaches the store/)
  assert.ok(!(await readdir(folder)).includes('state'), join(folder, 'state'))
})

test('an entry that takes no large body is a problem, with a grant, and is named', async (t) => {
  const { federation, folder } = await openJob(t, undefined, { mostBody: 2 ** 20 })
  void federation.coordinate().catch(() => {})
  const { stdout, code } = await startFedsam(folder, CHECK)
  assert.equal(code, 1)
  assert.match(lineOf(stdout, 'store heart'), /^problem store heart: with a grant of \S+: \S+: 413/)
  assert.match(
    lineOf(stdout, 'PUT heart'),
    /^problem PUT heart: PUT with a body of 1536 KiB .* 413 by "small-edge".* bodies of 32 MiB/,
  )
  assert.match(lineOf(stdout, 'GET heart'), /^ok GET heart/)
})

test('a coordinator of a release that is too far away is a problem with both versions', async (t) => {
  const { federation, folder } = await openJob(t)
  void federation.coordinate({ version: CONVERSATION + 2 }).catch(() => {})
  await seen(federation, 'RunStarted')
  const { stdout, code } = await startFedsam(folder, CHECK)
  assert.equal(code, 1)
  assert.match(lineOf(stdout, 'version'), /^ok version: this agent speaks version \d+ of the conversation/)
  const line = lineOf(stdout, 'version heart')
  const versions = `version ${CONVERSATION} of the conversation and the coordinator version ${CONVERSATION + 2}`
  assert.ok(line.startsWith('problem version heart: ') && line.includes(versions), line)
  assert.match(line, /upgrade the client's FedSAM/)
  assert.deepEqual(eventsOf(federation.events, 'ClientRefused'), [], 'the check reports no presence')
})
