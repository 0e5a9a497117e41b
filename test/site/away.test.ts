// A site that was away for an hour by the clocks of agent and coordinator: it takes part in the next round, and nobody helps. A real
// nats-server with the gate, an S3 server and one TLS host; the site's line is a proxy that is down meanwhile.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FixedSettings } from '#coordinator/settings/settings.ts'
import { COORDINATOR } from '#protocol/identity.ts'
import { natsKey } from '#protocol/nkeys.ts'
import { encodeJobList, type JobName, SITE_USER } from '#protocol/sites.ts'
import { type AgentOptions, type RunEnd, runAgent } from '#site/agent/agent.ts'
import { connectWebSocket } from '#transport/bus/websocket/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { startConnectProxy } from '../faults/connect-proxy.ts'
import { wrongClock } from '../faults/wrong-clock.ts'
import { eventsOf, type Federation, openFederation, seen } from '../federation/federation.ts'
import { jobOf } from '../given/gate.ts'
import { keyNamed, seedNamed, TRUST } from '../given/signed.ts'
import { EDGE_CA } from '../given/tls-edge.ts'
import { jumpingClock } from '../jumping-clock.ts'
import { until } from '../until.ts'
import { openSiteEntry } from './entry.ts'
import { JOIN, openJob, SITE } from './joined-job.ts'
import { allow, SIZE } from './site-federation.ts'

const HOUR = 3600
const { publicKey } = keyNamed(SITE)
const named = (name: string): JobName => ({ namespace: 'team', name })

/** An entry, a line to it, and a site whose agent lists these jobs. Each job that is opened has a pod beside the site. */
async function openLine(t: TestContext, jobs: readonly string[], own: Partial<AgentOptions> = {}) {
  const entry = await openSiteEntry(t, { siteSeconds: { least: 2, most: 3 } })
  const { gate, edge } = entry
  const proxy = await startConnectProxy({ targets: { [edge.host]: edge.port } })
  t.after(() => proxy.close())
  const clock = jumpingClock()
  const lines: string[] = []
  const ends: RunEnd[] = []
  const stop = new AbortController()
  const way = { ca: EDGE_CA.toString(), proxy: proxy.url }
  const folder = join(gate.folder, 'site')
  const list = jobs.map(named)
  const agent = runAgent({
    connect: (hears) =>
      connectWebSocket({
        url: `wss://${edge.host}/bus`,
        credentials: {
          user: SITE_USER,
          nkeySeed: natsKey('user', seedNamed(SITE)).seed,
          password: () => encodeJobList(list),
        },
        tls: { ca: way.ca },
        proxy: way.proxy,
        ...hears,
        onError: () => {},
      }),
    transfers: createGrantedTransfers({ site: { origin: edge.origin, ...way } }),
    key: keyNamed(SITE),
    trust: TRUST,
    jobs: list,
    decide: allow,
    release: null,
    folder,
    noProgressSeconds: 600,
    clock,
    wallTime: () => Date.now(),
    log: (line) => void lines.push(line),
    onUnlisted: async () => {},
    onOtherVersion: async () => {},
    onEnded: (end) => void ends.push(end),
    signal: stop.signal,
    ...own,
  })
  t.after(async () => {
    stop.abort()
    await agent
  })

  const openJob = async (name: string, fixed: Partial<FixedSettings> = {}): Promise<Federation> => {
    const uid = `uid-${name}`
    gate.jobs.set(uid, jobOf(name, uid, ['pod'], { [publicKey]: SITE }))
    const federation = await openFederation({
      clients: [SITE, 'pod'],
      size: SIZE,
      clock,
      round: { deadlineSeconds: HOUR / 2, quorum: 1, availabilitySeconds: 100 * HOUR },
      pace: { holdSeconds: 1 },
      answerSeconds: 4,
      store: entry.openStore(name),
      transfers: createGrantedTransfers(),
      bus: await gate.connect(uid, COORDINATOR),
      workerBus: await gate.connect(uid, { role: 'client', client: 'pod' }),
      fixed: { ...fixed, name, uid, namespace: 'team' },
    })
    t.after(() => federation.close())
    federation.live.members = federation.live.members.map((one) =>
      one.name === SITE ? { ...one, publicKey } : one,
    )
    void federation.work('pod')
    return federation
  }
  return { ...{ gate, proxy, clock, lines, ends, folder }, openJob }
}

test('a site that was away for an hour is in the next round, at a new coordinator', async (t) => {
  let down = false
  const line = await openLine(t, ['first'], {
    decide: async (asked) => ({
      ...(await allow(asked)),
      async admit(task) {
        // The line breaks when the site has the task, and nothing else of the round yet.
        if (task.round === 2 && !down) line.proxy.setDown(true)
        down ||= task.round === 2
        return task
      },
    }),
  })
  const federation = await line.openJob('first')
  const first = new AbortController()
  const replaced = federation.coordinate({ signal: first.signal })
  replaced.catch(() => {})
  await seen(federation, 'UpdateAdmitted', ({ round, client }) => round === 2 && client === 'pod')
  line.clock.jump(HOUR)
  await seen(
    federation,
    'Waiting',
    ({ round, absent }) => round === 3 && absent.some(({ client }) => client === SITE),
  )
  first.abort()
  await assert.rejects(replaced, { code: 'Interrupted' })
  const { length } = federation.events
  const run = federation.coordinate()
  await until('the new coordinator waits for the site', () =>
    eventsOf(federation.events.slice(length), 'Waiting').some(({ round }) => round === 3),
  )
  line.clock.jump(HOUR)
  line.proxy.setDown(false)
  await run
  assert.deepEqual(roundsOf(federation), [
    [1, [SITE, 'pod']],
    [2, ['pod']],
    [3, [SITE, 'pod']],
    [4, []], // evaluates the last model
  ])
  await until('the site learns the end', () => line.ends[0]?.kind === 'Finished', {
    instead: () => line.lines,
  })
  assert.equal(new Set(line.lines).size, line.lines.length, line.lines.join('\n'))
})

test('a job that ended and was deleted meanwhile is left, with its files; a new one begins', async (t) => {
  const line = await openLine(t, ['first', 'second'], {
    decide: async (asked) => ({
      ...(await allow(asked)),
      async admit(task) {
        if (asked.job.name === 'first') line.proxy.setDown(true)
        return task
      },
    }),
  })
  const first = await line.openJob('first', { minFitClients: 1, minAvailableClients: 1 })
  const ended = first.coordinate()
  await seen(first, 'AttemptOpened', ({ round, cohort }) => round === 1 && cohort.includes(SITE))
  await seen(first, 'UpdateAdmitted', ({ round, client }) => round === 1 && client === 'pod')
  line.clock.jump(HOUR)
  await ended
  const runs = async () => (await readdir(line.folder)).sort()
  assert.deepEqual(await runs(), [`uid-first.${SITE}`])
  line.gate.jobs.delete('uid-first')
  const second = await line.openJob('second')
  const run = second.coordinate()
  await seen(second, 'Waiting')
  line.clock.jump(HOUR)
  line.proxy.setDown(false)
  await run
  for (const { round, accepted } of eventsOf(second.events, 'RoundCompleted').slice(0, 3))
    assert.deepEqual(accepted, [SITE, 'pod'], `round ${round}`)
  await until('no file of either job is left', async () => (await runs()).length === 0, {
    instead: () => line.lines,
  })
})

test('a suspended laptop: a process that was stopped, and whose clock then jumped by an hour, is in the next round', async (t) => {
  const clock = jumpingClock()
  const { federation, edge, folder } = await openJob(t, undefined, {
    clock,
    round: { deadlineSeconds: HOUR / 2, quorum: 1, availabilitySeconds: 100 * HOUR },
    pace: { holdSeconds: 1 },
    answerSeconds: 4,
  })
  let agent: ChildProcess | undefined
  const joined = startFedsam(folder, JOIN, {
    env: wrongClock({ secondsAsleep: HOUR }),
    onLine(line, child) {
      agent = child
      if (line.endsWith('round 1: trains')) child.kill('SIGSTOP')
    },
  })
  void federation.work('pod')
  const run = federation.coordinate()
  await seen(federation, 'UpdateAdmitted', ({ round, client }) => round === 1 && client === 'pod')
  await until('the server has ended the connection of the site', () => edge.websockets() === 0)
  clock.jump(HOUR)
  await seen(federation, 'Waiting', ({ round, missing }) => round === 2 && missing.includes(SITE))
  agent!.kill('SIGCONT')
  const { code, stdout, stderr } = await joined
  assert.equal(code, 0, stderr + stdout)
  await run
  assert.deepEqual(roundsOf(federation), [
    [1, ['pod']],
    [2, [SITE, 'pod']],
    [3, []], // evaluates the last model
  ])
  assert.match(stdout, /this clock is 36\d\d s ahead of that of the server/)
})

/** The rounds, and whose updates count in each. */
function roundsOf({ events }: Federation): readonly (readonly [number, readonly string[]])[] {
  return eventsOf(events, 'RoundCompleted').map(({ round, accepted }) => [round, accepted])
}
