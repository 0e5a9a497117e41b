// Rounds that do not get their quorum: what is abandoned, what is kept of it, who is named, and when the run fails.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClientOutcome } from '#protocol/record.ts'
import { systemClock } from '#runtime/clock.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { recordingStore } from '../faults/recording-store.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { eventsOf, openFederation, runFederation, seen } from './federation.ts'

/** A second lasts 20 ms; nobody counts as silent because the machine is slow. */
const FAST = { clock: systemClock(50), pace: { silenceSeconds: 10_000 } }

const outcomeOf = (outcomes: readonly ClientOutcome[], client: string): string | undefined =>
  outcomes.find((outcome) => outcome.client === client)?.outcome

describe('too few updates', () => {
  test('abandon the attempt; after maxFailedRounds the run fails and names who is missing', async () => {
    const { outcome, error, events } = await runFederation({
      clients: ['a', 'b', 'c'],
      rounds: 2,
      round: { quorum: 2, maxFailedRounds: 3 },
      quadratic: (client) => ({
        before: (call) => {
          if (client !== 'a' && call === 'fit') throw new Error('no memory left')
        },
      }),
    })
    assert.equal(outcome, null)
    assert.equal(error?.code, 'RunFailed')
    assert.match(
      error!.message,
      /round 1 was abandoned 3 times: QuorumNotReached: 1 of 3 updates were accepted, 2 are needed/,
    )
    assert.match(error!.message, /b: Failed \(TrainerFailed: .*no memory left/)
    assert.match(error!.message, /c: Failed/)
    assert.doesNotMatch(error!.message, /a: /)
    const abandoned = eventsOf(events, 'AttemptAbandoned')
    assert.deepEqual(
      abandoned.map(({ round, attempt, reason }) => [round, attempt, reason]),
      [
        [1, 1, 'QuorumNotReached'],
        [1, 2, 'QuorumNotReached'],
        [1, 3, 'QuorumNotReached'],
      ],
    )
    assert.equal(eventsOf(events, 'RunFailed').length, 1)
  })

  test('a run that failed is resumed once its cause is corrected: earlier attempts do not count again', async () => {
    let isBroken = true
    const federation = await openFederation({
      clients: ['a', 'b'],
      rounds: 2,
      round: { maxFailedRounds: 2 },
      quadratic: (client) => ({
        before: (call) => {
          if (isBroken && client === 'b' && call === 'fit') throw new Error('no memory left')
        },
      }),
    })
    const { events } = federation
    const failed = {
      code: 'RunFailed',
      reason: 'TooManyFailedRounds',
      message: /^round 1 was abandoned 2 times: /,
      remedy: /start the run again: it has maxFailedRounds new attempts/,
    }
    try {
      for (const client of ['a', 'b']) void federation.work(client)
      await assert.rejects(federation.coordinate(), failed)
      for (const client of ['a', 'b']) void federation.work(client, { incarnation: `${client}-2` })
      await assert.rejects(
        federation.coordinate(),
        failed,
        'not corrected: it fails again, after as many attempts',
      )
      assert.deepEqual(
        eventsOf(events, 'AttemptOpened').map(({ round, attempt }) => [round, attempt]),
        [
          [0, 1],
          [1, 1],
          [1, 2],
          [1, 3],
          [1, 4],
        ],
      )
      isBroken = false
      for (const client of ['a', 'b']) void federation.work(client, { incarnation: `${client}-3` })
      const outcome = await federation.coordinate()
      assert.equal(outcome.rounds, 2)
      assert.deepEqual(
        eventsOf(events, 'RoundCompleted')
          .map(({ round, attempt }) => [round, attempt])
          .slice(0, 2),
        [
          [1, 5],
          [2, 1],
        ],
      )
      assert.equal(await federation.model(), (await runFederation({ clients: ['a', 'b'], rounds: 2 })).model)
    } finally {
      await federation.close()
    }
  })

  for (const [what, change, attempts] of [
    ['continue one count', {}, 3],
    ['begin again where the job was changed', { deadlineSeconds: 7200 }, 5],
  ] as const) {
    test(`coordinators that end after each abandoned attempt ${what}`, async () => {
      const memory = createMemoryStore()
      let stop = new AbortController()
      const store = recordingStore(memory, (_index, _operation, key, phase) => {
        if (/^rounds\/1\/[12]\/decision\.json$/.test(key) && phase === 'after') stop.abort()
      })
      const federation = await openFederation({
        clients: ['a', 'b'],
        rounds: 1,
        store,
        transfers: createGrantedTransfers({ memory }),
        quadratic: (client) => ({
          before: (call) => {
            if (client === 'b' && call === 'fit') throw new Error('no memory left')
          },
        }),
      })
      try {
        for (const client of ['a', 'b']) void federation.work(client)
        for (let life = 1; life <= 2; life += 1) {
          await assert.rejects(federation.coordinate({ signal: stop.signal }), { code: 'Interrupted' })
          stop = new AbortController()
        }
        Object.assign(federation.live.round, change)
        await assert.rejects(federation.coordinate(), { message: /^round 1 was abandoned 3 times: / })
        const abandoned = eventsOf(federation.events, 'AttemptAbandoned')
        assert.equal(abandoned.at(-1)?.attempt, attempts)
      } finally {
        await federation.close()
      }
    })
  }

  test('an admitted update of an abandoned attempt counts in the next one, also for a coordinator that takes over', async () => {
    const fits: string[] = []
    const memory = createMemoryStore()
    const decided = new AbortController()
    // The first coordinator is stopped between the decision of the second attempt and its fold.
    const store = recordingStore(memory, (_index, _operation, key, phase) => {
      if (key === 'rounds/1/2/decision.json' && phase === 'after') decided.abort()
    })
    const federation = await openFederation({
      clients: ['a', 'b'],
      rounds: 1,
      store,
      transfers: createGrantedTransfers({ memory }),
      quadratic: (client) => ({
        before: async (call) => {
          if (call !== 'fit') return
          fits.push(client)
          if (client === 'a' || fits.filter((name) => name === 'b').length > 1) return
          await seen(federation, 'UpdateAdmitted', ({ round }) => round > 0)
          throw new Error('once')
        },
      }),
    })
    try {
      for (const client of ['a', 'b']) void federation.work(client)
      await assert.rejects(federation.coordinate({ signal: decided.signal }), { code: 'Interrupted' })
      await federation.coordinate()
      const abandoned = eventsOf(federation.events, 'AttemptAbandoned')
      assert.deepEqual([...new Set(abandoned.map(({ attempt }) => attempt))], [1])
      assert.deepEqual(fits.sort(), ['a', 'b', 'b'], 'a was asked once, b twice')
      assert.equal(eventsOf(federation.events, 'RoundCompleted')[0]?.attempt, 2)
      assert.equal(await federation.model(), (await runFederation({ clients: ['a', 'b'], rounds: 1 })).model)
    } finally {
      await federation.close()
    }
  })

  test('work that goes on when its attempt is abandoned counts in the next one too', async () => {
    const fits: string[] = []
    const abandoned = Promise.withResolvers<void>()
    const federation = await openFederation({
      clients: ['a', 'b', 'c'],
      rounds: 1,
      fixed: { minFitClients: 3 },
      round: { quorum: 3 },
      quadratic: (client) => ({
        before: async (call) => {
          if (call !== 'fit') return
          fits.push(client)
          if (client === 'a') await abandoned.promise
          if (client === 'b' && fits.filter((name) => name === 'b').length === 1) throw new Error('once')
        },
      }),
    })
    try {
      const run = (async () => {
        for (const client of ['a', 'b', 'c']) void federation.work(client)
        return federation.coordinate()
      })()
      await seen(federation, 'AttemptOpened', ({ round, attempt }) => round === 1 && attempt === 2)
      abandoned.resolve()
      await run
      assert.deepEqual(fits.sort(), ['a', 'b', 'b', 'c'])
    } finally {
      await federation.close()
    }
  })
})

describe('too few clients', () => {
  test('end the attempt as NotEnoughClients after availabilitySeconds, naming the missing', async () => {
    const { error, events } = await runFederation({
      ...FAST,
      clients: ['a', 'b', 'c'],
      absent: ['b', 'c'],
      rounds: 1,
      round: { availabilitySeconds: 50, settleSeconds: 1, maxFailedRounds: 2 },
    })
    assert.equal(error?.code, 'RunFailed')
    assert.match(
      error!.message,
      /round 1 was abandoned 2 times: NotEnoughClients: 2 clients are needed; missing: b, c/,
    )
    const [first] = eventsOf(events, 'AttemptAbandoned')
    assert.equal(first?.reason, 'NotEnoughClients')
    assert.deepEqual(
      first.outcomes.map(({ client, outcome }) => [client, outcome]),
      [
        ['b', 'Unreachable'],
        ['c', 'Unreachable'],
      ],
    )
  })

  test('with enough there, the others are waited for settleSeconds, so that luck does not choose the cohort', async () => {
    const federation = await openFederation({
      clients: ['a', 'b', 'c'],
      rounds: 1,
      round: { settleSeconds: 30 },
    })
    try {
      void federation.work('a')
      void federation.work('b')
      const run = federation.coordinate()
      // With a and b there is enough: it waits for c alone, and opens nothing before c is there.
      await seen(federation, 'Waiting', ({ missing, available, needed }) => {
        return missing.join() === 'c' && available.length >= needed
      })
      assert.equal(eventsOf(federation.events, 'AttemptOpened').length, 0)
      void federation.work('c')
      await run
      assert.deepEqual(eventsOf(federation.events, 'RoundCompleted')[0]?.accepted, ['a', 'b', 'c'])
    } finally {
      await federation.close()
    }
  })

  test('who was lost in the last attempt is not waited for again', async () => {
    const { events } = await runFederation({
      clients: ['a', 'b', 'gone'],
      absent: ['gone'],
      rounds: 3,
      // Waiting for it before every round would take a minute.
      round: { settleSeconds: 0.5 },
    })
    const waits = eventsOf(events, 'Waiting').filter(({ missing }) => missing.join() === 'gone')
    assert.deepEqual([...new Set(waits.map(({ round }) => round))], [0])
    for (const { outcomes } of eventsOf(events, 'RoundCompleted')) {
      assert.equal(outcomeOf(outcomes, 'gone'), 'Unreachable')
    }
  })
})
