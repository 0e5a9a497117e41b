// The end of a round: the deadline, the grace after the quorum, who was late or silent, who died and came back, who left the
// job and who joined it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ClientOutcome } from '#protocol/record.ts'
import { systemClock } from '#runtime/clock.ts'
import { jumpingClock } from '../jumping-clock.ts'
import { eventsOf, type Federation, openFederation, runFederation, seen } from './federation.ts'

/** A second lasts 20 ms; nobody counts as silent because the machine is slow. */
const FAST = { clock: systemClock(50), pace: { silenceSeconds: 10_000 } }

/** The updates of a and b are admitted: what a test does next does not depend on how fast they were. */
async function untilAdmitted(federation: Federation, clients: readonly string[]): Promise<void> {
  for (const client of clients)
    await seen(federation, 'UpdateAdmitted', (event) => event.round === 1 && event.client === client)
}

const outcomeOf = (outcomes: readonly ClientOutcome[], client: string): string | undefined =>
  outcomes.find((outcome) => outcome.client === client)?.outcome

describe('the end of a round', () => {
  test('comes at the deadline with the quorum, and names who was late', async () => {
    const clock = jumpingClock()
    const late = Promise.withResolvers<void>()
    const federation = await openFederation({
      clock,
      clients: ['a', 'b', 'slow'],
      rounds: 1,
      pace: { silenceSeconds: 10_000 },
      round: { deadlineSeconds: 600 },
      quadratic: (client) => ({
        before: (call) => (client === 'slow' && call === 'fit' ? late.promise : undefined),
      }),
    })
    try {
      for (const client of ['a', 'b', 'slow']) void federation.work(client)
      const run = federation.coordinate()
      await untilAdmitted(federation, ['a', 'b'])
      clock.jump(600)
      await seen(federation, 'RoundCompleted')
      late.resolve()
      await run
      const [first] = eventsOf(federation.events, 'RoundCompleted')
      assert.deepEqual(first?.accepted, ['a', 'b'])
      assert.equal(outcomeOf(first!.outcomes, 'slow'), 'Late')
    } finally {
      late.resolve()
      await federation.close()
    }
  })

  test('comes graceSeconds after the quorum', async () => {
    const late = Promise.withResolvers<void>()
    const { events } = await runFederation({
      ...FAST,
      clients: ['a', 'b', 'slow'],
      rounds: 1,
      round: { deadlineSeconds: 100_000, graceSeconds: 20 },
      quadratic: (client) => ({
        before: (call) => (client === 'slow' && call !== 'get_parameters' ? late.promise : undefined),
      }),
    })
    late.resolve()
    const [first, evaluation] = eventsOf(events, 'RoundCompleted')
    assert.deepEqual(first?.accepted, ['a', 'b'])
    assert.equal(outcomeOf(first!.outcomes, 'slow'), 'Late')
    assert.deepEqual(
      evaluation?.evaluations.map(({ client }) => client),
      ['a', 'b'],
    )
  })

  test('at the deadline below the quorum: abandoned, and a client that went silent is Unreachable', async () => {
    const clock = jumpingClock()
    const reached = Promise.withResolvers<void>()
    const federation = await openFederation({
      clock,
      clients: ['a', 'b'],
      rounds: 1,
      pace: { silenceSeconds: 400, holdSeconds: 0.2 },
      round: { deadlineSeconds: 800, maxFailedRounds: 1 },
      quadratic: (client) => ({
        before: (call) => {
          if (client !== 'b' || call !== 'fit') return undefined
          reached.resolve()
          return new Promise(() => {})
        },
      }),
    })
    try {
      const gone = new AbortController()
      void federation.work('a')
      const left = federation.work('b', { signal: gone.signal })
      const run = federation.coordinate()
      run.catch(() => {})
      await reached.promise
      await untilAdmitted(federation, ['a'])
      gone.abort()
      await left
      clock.jump(800)
      await assert.rejects(run, { code: 'RunFailed', message: /b: Unreachable \(Silent/ })
    } finally {
      await federation.close()
    }
  })
})

test('a worker that dies in the middle of a round and comes back as a new incarnation', async () => {
  const reached = Promise.withResolvers<void>()
  let lives = 0
  const federation = await openFederation({
    clients: ['a', 'b'],
    rounds: 2,
    quadratic: (client) => ({
      before: (call) => {
        if (client !== 'b' || call !== 'fit') return undefined
        lives += 1
        if (lives > 1) return undefined
        reached.resolve()
        return new Promise(() => {})
      },
    }),
  })
  try {
    const death = new AbortController()
    void federation.work('a')
    void federation.work('b', { signal: death.signal })
    const run = federation.coordinate()
    await reached.promise
    death.abort()
    void federation.work('b', { incarnation: 'b-2' })
    await run
    assert.deepEqual(
      eventsOf(federation.events, 'ClientJoined')
        .map(({ client }) => client)
        .sort(),
      ['a', 'b', 'b'],
    )
    assert.equal(eventsOf(federation.events, 'AttemptAbandoned').length, 0)
    assert.equal(await federation.model(), (await runFederation({ clients: ['a', 'b'], rounds: 2 })).model)
  } finally {
    await federation.close()
  }
})

test('a partition that leaves the job during a round is not waited for, and one that joins takes part in the next', async () => {
  const reached = Promise.withResolvers<void>()
  const federation = await openFederation({
    clients: ['a', 'b', 'leaving'],
    rounds: 2,
    quadratic: (client) => ({
      before: (call) => {
        if (client !== 'leaving' || call !== 'fit') return undefined
        reached.resolve()
        return new Promise(() => {})
      },
    }),
  })
  try {
    const ended = federation.work('leaving')
    for (const client of ['a', 'b', 'new']) void federation.work(client).catch(() => {})
    const run = federation.coordinate()
    await reached.promise
    federation.live.members = ['a', 'b', 'new'].map((name) => ({ name, train: true }))
    void federation.work('new', { incarnation: 'new-2' })
    await run
    const [first, second] = eventsOf(federation.events, 'RoundCompleted')
    assert.equal(outcomeOf(first!.outcomes, 'leaving'), 'Removed')
    assert.deepEqual(second?.accepted, ['a', 'b', 'new'])
    assert.equal(await ended, 'Refused', 'the answer says that it is not wanted')
  } finally {
    await federation.close()
  }
})
