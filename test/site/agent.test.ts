// Two sites and an ordinary worker in one federation, with the gate's real code: the model, restarts, refusals, jobs that a site did not
// list, and keys that leave a job. The connection of a site lives for two to three seconds here, so each test has reconnects.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import type { Task } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import type { UnlistedRun } from '#site/agent/site-worker.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { type Grant, type GrantedTransfers, GrantRefused } from '#transport/ports.ts'
import {
  eventsOf,
  type Federation,
  type FederationOptions,
  runFederation,
  seen,
} from '../federation/federation.ts'
import { jobOf } from '../given/gate.ts'
import { keyNamed } from '../given/signed.ts'
import { until } from '../until.ts'
import { allow, JOB, openSiteFederation, SIZE } from './site-federation.ts'

const SITES = ['hospital-a', 'hospital-b']
const CLIENTS = [...SITES, 'pod']
const OPTIONS: FederationOptions = {
  clients: CLIENTS,
  rounds: 3,
  fixed: { minFitClients: 3, minAvailableClients: 3 },
  round: { quorum: 3 },
  pace: { holdSeconds: 1, silenceSeconds: 100_000 },
  answerSeconds: 4,
}

test('two sites and a worker make the bytes that three workers make, and each site learns the end', async () => {
  const expected = await runFederation({ ...OPTIONS, size: SIZE })
  const { federation, startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    const agents = SITES.map((client) => startSite(client))
    void federation.work('pod')
    await federation.coordinate()
    assert.equal(await federation.model(), expected.model)
    await until('each site finished', () => agents.every(({ ends }) => ends[0]?.kind === 'Finished'), {
      instead: () => agents.map(({ lines }) => lines),
    })
  } finally {
    await close()
  }
})

test('a site whose agent stops in a round and starts again: the same bytes', async () => {
  const expected = await runFederation({ ...OPTIONS, size: SIZE })
  const { federation, startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    startSite('hospital-b')
    const first = startSite('hospital-a')
    void federation.work('pod')
    const run = federation.coordinate()
    await seen(federation, 'UpdateAdmitted', ({ round, client }) => round === 1 && client === 'hospital-a')
    await first.stop()
    assert.match(first.lines.at(-1)!, /stopped$/)
    startSite('hospital-a')
    await run
    assert.equal(await federation.model(), expected.model)
  } finally {
    await close()
  }
})

/** Why the client was absent when attempts opened, each reason once. */
function absences({ events }: Pick<Federation, 'events'>, client: string): (string | undefined)[] {
  const reasons = eventsOf(events, 'AttemptOpened').map(
    ({ absent }) => absent.find((one) => one.client === client)?.reason,
  )
  return [...new Set(reasons)]
}

/** The last part of the object's key. */
const nameOf = ({ url }: Grant): string => new URL(url).pathname.split('/').at(-1)!

describe('a site that does not take part', () => {
  const WITHOUT: FederationOptions = {
    ...OPTIONS,
    fixed: { minFitClients: 2, minAvailableClients: 2 },
    round: { quorum: 2, settleSeconds: 1 },
  }

  test('because its rules refuse the job: the reason is on both sides, and it reads and writes nothing but run.json', async () => {
    const { federation, startSite, close } = await openSiteFederation(SITES, WITHOUT)
    try {
      const reason = 'spec.rounds is 3, and the site allows at most 2'
      const used: string[] = []
      const note = (grant: Grant): void => void used.push(`${grant.method} ${nameOf(grant)}`)
      const refused = async (grant: Grant): Promise<never> => {
        note(grant)
        throw new GrantRefused('a site that takes no part')
      }
      const real = createGrantedTransfers()
      const read: GrantedTransfers['read'] = (grant, range) => {
        note(grant)
        return real.read(grant, range)
      }
      const refusing = startSite('hospital-a', {
        decide: async () => ({ kind: 'Refused', reason }),
        transfers: { read, download: refused, write: refused },
      })
      const run = federation.coordinate()
      await seen(federation, 'Waiting', ({ absent }) =>
        absent.some(
          ({ client, reason: why, message }) =>
            client === 'hospital-a' && why === 'Declined' && message === reason,
        ),
      )
      startSite('hospital-b')
      void federation.work('pod')
      await run
      const rounds = eventsOf(federation.events, 'RoundCompleted')
      assert.equal(rounds.length, 4)
      for (const { accepted } of rounds.slice(0, 3)) assert.deepEqual(accepted, ['hospital-b', 'pod'])
      assert.ok(refusing.lines.some((line) => line.endsWith(`declined: ${reason}`)))
      assert.deepEqual(used, ['GET run.json'])
      await until('it learns the end', () => refusing.ends.length === 1)
      const { kind, error } = refusing.ends[0] as { kind: string; error: FedsamError }
      assert.deepEqual([kind, error.code, error.message], ['Failed', 'SiteRefused', reason])
    } finally {
      await close()
    }
  })

  test('because the job is not in its list: the gate grants nothing, so nothing is sent', async () => {
    const { federation, gate, startSite, close } = await openSiteFederation(SITES, WITHOUT)
    try {
      const other = startSite('hospital-a', { jobs: [{ namespace: 'team', name: 'another' }] })
      startSite('hospital-b')
      void federation.work('pod')
      await federation.coordinate()
      await until('the site was admitted', () => gate.verdicts.some((verdict) => verdict.kind === 'Admitted'))
      assert.deepEqual(other.lines, [])
      assert.deepEqual(absences(federation, 'hospital-a'), ['NotHeard'])
    } finally {
      await close()
    }
  })

  test('because the job is not in its list, on a bus that grants more: it sends one request that says nothing, and no other', async () => {
    const { federation, gate, startSite, close } = await openSiteFederation(SITES, WITHOUT)
    try {
      const another = { namespace: 'team', name: 'another' }
      const unlisted: UnlistedRun[] = []
      const onUnlisted = async (run: UnlistedRun) => void unlisted.push(run)
      const other = startSite('hospital-a', { jobs: [another], listed: [another, JOB], onUnlisted })
      startSite('hospital-b')
      void federation.work('pod')
      await federation.coordinate()
      await until('it ends', () => other.ends.length === 1)
      const { error } = other.ends[0] as { error: FedsamError }
      assert.equal(error.code, 'SiteRefused')
      assert.match(error.message, /belongs to the job team\/quadratic/)
      const place = { namespace: 'team', uid: 'test', client: 'hospital-a' }
      assert.deepEqual(unlisted, [{ place, job: JOB }])
      await until('the server named the run at three connects', () => gate.verdicts.length > 8)
      assert.equal(unlisted.length, 1)
      assert.deepEqual(absences(federation, 'hospital-a'), ['NotHeard'])
    } finally {
      await close()
    }
  })

  test('in a task that its rules refuse: the attempt closes without it, with the reason', async () => {
    const { federation, startSite, close } = await openSiteFederation(SITES, {
      ...OPTIONS,
      fixed: { minFitClients: 2, minAvailableClients: 3 },
      round: { quorum: 2 },
    })
    try {
      startSite('hospital-a', {
        decide: async (asked) =>
          ({
            ...(await allow(asked)),
            kind: 'Allowed',
            admit: async () => {
              throw new FedsamError('SiteRefused', 'the limit for this data is reached', { remedy: '' })
            },
          }) as Awaited<ReturnType<typeof allow>>,
      })
      startSite('hospital-b')
      void federation.work('pod')
      const run = federation.coordinate()
      await run
      const failed = eventsOf(federation.events, 'ClientFailed').filter(
        ({ client }) => client === 'hospital-a',
      )
      assert.ok(failed.length > 0)
      for (const { reason, message } of failed)
        assert.deepEqual([reason, message], ['SiteRefused', 'the limit for this data is reached'])
    } finally {
      await close()
    }
  })
})

test('metrics that a site keeps to itself are in no record; the others are', async () => {
  const { federation, startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    startSite('hospital-a', { release: () => ({}) })
    startSite('hospital-b')
    void federation.work('pod')
    await federation.coordinate()
    const evaluations = eventsOf(federation.events, 'RoundCompleted').flatMap((round) => round.evaluations)
    const names = (client: string) =>
      evaluations.filter((one) => one.client === client).map(({ metrics }) => Object.keys(metrics))
    assert.ok(names('hospital-a').length > 0)
    assert.deepEqual(names('hospital-a').flat(), [])
    assert.ok(names('hospital-b').every((metrics) => metrics.includes('closeness')))
  } finally {
    await close()
  }
})

test('a site that releases no evaluation trains all the same, and the record says why it has none', async () => {
  const { federation, startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    startSite('hospital-a', {
      decide: async (asked) => {
        const decision = await allow(asked)
        const admit = async (task: Task) => ({ ...task, evaluate: false })
        return decision.kind === 'Allowed' ? { ...decision, admit } : decision
      },
    })
    startSite('hospital-b')
    void federation.work('pod')
    await federation.coordinate()
    const rounds = eventsOf(federation.events, 'RoundCompleted').filter(({ kind }) => kind === 'Train')
    assert.equal(rounds.length, 3)
    for (const { accepted, notEvaluated } of rounds) {
      assert.ok(accepted.includes('hospital-a'))
      assert.deepEqual(
        notEvaluated.map(({ client, outcome, reason }) => [client, outcome, reason]),
        [['hospital-a', 'Nothing', 'SiteRefused']],
      )
    }
  } finally {
    await close()
  }
})

test('a job that names the key later is served at the next renewal, and a key that leaves the job is out', async () => {
  const { gate, startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    const [[uid, job] = assert.fail()] = [...gate.jobs]
    // The gate admits no key that no job names.
    const other = { namespace: 'team', name: 'other' }
    const key = keyNamed('hospital-a').publicKey
    gate.jobs.clear()
    gate.jobs.set('u2', jobOf(other.name, 'u2', [], { [key]: 'hospital-a' }))
    const agent = startSite('hospital-a', { jobs: [JOB, other] })
    await until('it serves the other job', () => agent.lines.includes('hospital-a in team/u2: takes part'))
    gate.jobs.set(uid, job)
    const took = 'hospital-a in team/test: takes part'
    await until('it takes part', () => agent.lines.includes(took), { instead: () => agent.lines })
    gate.jobs.set(uid, { ...job, siteClients: new Map() })
    await until('it stops', () => agent.lines.includes('hospital-a in team/test: stopped'), {
      instead: () => agent.lines,
    })
    const place = { namespace: 'team', uid: 'test', client: 'hospital-a' }
    assert.deepEqual(agent.ends, [{ kind: 'Gone', place }])
  } finally {
    await close()
  }
})

test('a key that the server admits no more: after a while the trainers stop, and they start again once it is admitted', async () => {
  const expected = await runFederation({ ...OPTIONS, size: SIZE })
  const { federation, gate, startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    const took = 'hospital-a in team/test: takes part'
    const count = (line: string) => agent.lines.filter((one) => one === line).length
    const agent = startSite('hospital-a', { refusedSeconds: 0 })
    startSite('hospital-b')
    await until('it takes part', () => count(took) === 1)
    const jobs = [...gate.jobs]
    gate.jobs.clear() // the gate refuses a key that no job names
    await until('it stops', () => count('hospital-a in team/test: stopped') === 1, {
      instead: () => agent.lines,
    })
    assert.ok(agent.lines.some((line) => line.includes('does not admit this key any more')))
    assert.deepEqual(agent.ends, [], 'its run may continue')
    for (const [uid, job] of jobs) gate.jobs.set(uid, job)
    await until('it takes part again', () => count(took) === 2, { instead: () => agent.lines })
    void federation.work('pod')
    await federation.coordinate()
    assert.equal(await federation.model(), expected.model)
  } finally {
    await close()
  }
})

test('a store that is away does not make a site give up, whatever the number of tries', async () => {
  const { federation, startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    let tries = 0
    startSite('hospital-a', {
      clock: systemClock(1000),
      async decide(asked) {
        tries += 1
        if (tries > 11) return allow(asked)
        throw new FedsamError('StorageUnreachable', 'the store is away')
      },
    })
    startSite('hospital-b')
    void federation.work('pod')
    await federation.coordinate()
    assert.equal(tries, 12)
  } finally {
    await close()
  }
})

test('an agent that waits for the server ends at once where it is asked to stop', async () => {
  const { startSite, close } = await openSiteFederation(SITES, OPTIONS)
  try {
    const asked = Promise.withResolvers<void>()
    const agent = startSite('hospital-a', {
      async connect(line) {
        void Promise.resolve().then(line.onConnected)
        return {
          ...createInProcessBus(),
          request: () => {
            asked.resolve()
            return new Promise(() => {})
          },
        }
      },
    })
    await asked.promise
    await agent.stop()
    assert.deepEqual(agent.lines, [])
  } finally {
    await close()
  }
})
