// Clients that are not ready, and the pause after too few: what the run makes of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Have, readNextAnswer, subjectPrefix } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import { conversationOf } from '../given/signed.ts'
import { jumpingClock } from '../jumping-clock.ts'
import { until } from '../until.ts'
import { eventsOf, type Federation, type FederationOptions, openFederation, seen } from './federation.ts'

const JOB: FederationOptions = { clients: ['a', 'b'], rounds: 1 }

/** One `next` of a client that is not ready. */
async function report({ bus, fixed }: Federation, client: string, have: Have) {
  const body = {
    kind: 'next',
    client,
    incarnation: 'i',
    dataset: '',
    backend: '',
    progress: null,
    have,
  }
  const prefix = subjectPrefix(fixed.namespace, fixed.uid)
  return conversationOf(bus, { prefix, client }).send(body, 120, readNextAnswer)
}

const prepare = (federation: Federation, client: string, message: string) =>
  report(federation, client, { state: 'Preparing', message })
const decline = (federation: Federation, client: string, message: string) =>
  report(federation, client, { state: 'Declined', message })

describe('a client that prepares', () => {
  test('is not there, gets no task, and is named with what it waits for', async () => {
    const federation = await openFederation({ ...JOB, pace: { holdSeconds: 0.05 } })
    try {
      void federation.work('a')
      const run = federation.coordinate()
      await seen(federation, 'ClientJoined')
      assert.equal((await prepare(federation, 'b', 'no data yet'))?.kind, 'wait')
      assert.equal((await prepare(federation, 'b', '1 of 2 MB'))?.kind, 'wait')
      const waits = eventsOf(federation.events, 'Waiting').map(({ absent }) =>
        absent.map(({ client, reason, message }) => `${client} ${reason} ${message}`.trim()).join(),
      )
      assert.deepEqual(waits.slice(-2), ['b Preparing no data yet', 'b Preparing 1 of 2 MB'])
      assert.deepEqual(
        eventsOf(federation.events, 'ClientJoined').map(({ client, available }) => [client, available]),
        [['a', 1]],
      )
      void federation.work('b')
      await run
      assert.deepEqual(eventsOf(federation.events, 'RoundCompleted')[0]?.accepted, ['a', 'b'])
    } finally {
      await federation.close()
    }
  })

  test('whose attempt is given up is Unreachable, with what it waited for', async () => {
    const clock = jumpingClock()
    const federation = await openFederation({
      ...JOB,
      clock,
      pace: { silenceSeconds: 10_000, holdSeconds: 0.05 },
      round: { availabilitySeconds: 600, settleSeconds: 0, maxFailedRounds: 1 },
      fixed: { origin: { kind: 'Client' } },
    })
    try {
      void federation.work('a')
      const failed = assert.rejects(federation.coordinate(), { message: /missing: b \(no data yet\)/ })
      await seen(federation, 'Waiting', ({ kind }) => kind === 'Train')
      await prepare(federation, 'b', 'no data yet')
      clock.jump(600)
      await failed
      const [{ outcomes } = assert.fail()] = eventsOf(federation.events, 'AttemptAbandoned')
      assert.deepEqual(outcomes, [
        { client: 'b', outcome: 'Unreachable', reason: 'Preparing', message: 'no data yet' },
      ])
    } finally {
      await federation.close()
    }
  })
})

describe('a client that declines', () => {
  test('is not there, gets no task, and is named with its reason', async () => {
    const federation = await openFederation({ ...JOB, pace: { holdSeconds: 0.05 } })
    try {
      void federation.work('a')
      const run = federation.coordinate()
      await seen(federation, 'ClientJoined')
      assert.equal((await decline(federation, 'b', 'the site allows 10 rounds'))?.kind, 'wait')
      const last = eventsOf(federation.events, 'Waiting').at(-1)
      assert.deepEqual(last?.absent, [
        { client: 'b', outcome: 'Refused', reason: 'Declined', message: 'the site allows 10 rounds' },
      ])
      assert.deepEqual(last?.available, ['a'])
      void federation.work('b')
      await run
    } finally {
      await federation.close()
    }
  })

  test('while an attempt waits for it ends its part in that attempt', async () => {
    const never = new Promise<void>(() => {})
    const federation = await openFederation({
      clients: ['a', 'b', 'c'],
      rounds: 1,
      pace: { holdSeconds: 0.05, silenceSeconds: 10_000 },
      round: { deadlineSeconds: 100_000 },
      quadratic: (client) => ({
        before: (call) => (client === 'c' && call === 'fit' ? never : undefined),
      }),
    })
    try {
      const stopC = new AbortController()
      void federation.work('a')
      void federation.work('b')
      void federation.work('c', { signal: stopC.signal })
      const run = federation.coordinate()
      await seen(federation, 'AttemptOpened', ({ round, cohort }) => round === 1 && cohort.includes('c'))
      stopC.abort()
      await decline(federation, 'c', 'no more rounds')
      await run
      const outcome = eventsOf(federation.events, 'RoundCompleted')[0]?.outcomes.find(
        ({ client }) => client === 'c',
      )
      assert.deepEqual(outcome, {
        client: 'c',
        outcome: 'Failed',
        reason: 'SiteRefused',
        message: 'no more rounds',
      })
    } finally {
      await federation.close()
    }
  })
})

test('after too few clients no attempt begins for a while, twice as long each time', async () => {
  const clock = systemClock(100)
  const slept: number[] = []
  const sleep = (seconds: number, signal?: AbortSignal): Promise<void> => {
    slept.push(seconds)
    return clock.sleep(seconds, signal)
  }
  const federation = await openFederation({
    ...JOB,
    clock: { ...clock, sleep },
    pace: { silenceSeconds: 10_000, pauseSeconds: 31, longestPauseSeconds: 53 },
    round: { availabilitySeconds: 5, maxFailedRounds: 1000 },
  })
  try {
    void federation.work('a')
    const run = federation.coordinate()
    const abandoned = () => eventsOf(federation.events, 'AttemptAbandoned')
    await until('three attempts are abandoned', () => abandoned().length >= 3)
    assert.deepEqual(
      abandoned()
        .slice(0, 3)
        .map(({ pauseSeconds }) => pauseSeconds),
      [31, 53, 53],
    )
    assert.ok(slept.includes(31))
    assert.ok(slept.includes(53))
    void federation.work('b')
    await run
  } finally {
    await federation.close()
  }
})
