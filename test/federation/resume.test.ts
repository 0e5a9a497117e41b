// Stopping and going on: a coordinator that is stopped, superseded or doubled changes no byte of the model.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import type { RunOutcome } from '#coordinator/run/run-from-record.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { recordingTransfers } from '../faults/recording-store.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { until } from '../until.ts'
import {
  coordinateThrough,
  eventsOf,
  type Federation,
  type FederationOptions,
  openFederation,
  runFederation,
  seen,
} from './federation.ts'
import { planOf } from './record.ts'

const JOB: FederationOptions = { clients: ['a', 'b', 'c'], rounds: 4 }
const reference = runFederation(JOB)

async function assertSame(federation: Federation): Promise<void> {
  assert.equal(await federation.model(), (await reference).model)
  const { problems, complete } = await verifyRecord(federation.store)
  assert.deepEqual(problems, [])
  assert.equal(complete, true)
}

describe('a coordinator that goes on', () => {
  for (const round of [1, 2, 3]) {
    test(`where the one before was stopped, after round ${round}`, async () => {
      const federation = await openFederation(JOB)
      try {
        for (const client of JOB.clients) void federation.work(client)
        await assert.rejects(coordinateThrough(federation, round), { code: 'Interrupted' })
        await federation.coordinate()
        const started = eventsOf(federation.events, 'RunStarted')
        assert.equal(started.length, 2)
        assert.equal(started[1]?.epoch, 2)
        assert.ok(started[1]!.completed >= round)
        await assertSame(federation)
      } finally {
        await federation.close()
      }
    })
  }

  test('after the run is complete waits for workers that the one before did not tell', async () => {
    const federation = await openFederation({ ...JOB, pace: { farewellSeconds: 600 } })
    try {
      for (const client of JOB.clients) void federation.work(client)
      await federation.coordinate()
      const second = federation.coordinate().then(() => 'the coordinator ended first')
      await until('the second coordinator finds the run complete', () => {
        return eventsOf(federation.events, 'RunCompleted').length === 2
      })
      // The coordinator ends with the last of them, so only the others are compared with its end.
      for (const client of JOB.clients.slice(1)) {
        const worker = federation.work(client, { incarnation: 'late' })
        assert.equal(await Promise.race([second, worker]), 'the run is complete')
      }
      assert.equal(await federation.work(JOB.clients[0]!, { incarnation: 'late' }), 'the run is complete')
      await second
    } finally {
      await federation.close()
    }
  })

  test('in the middle of a round, without asking again those who had left their update', async () => {
    const fits: string[] = []
    const stopped = Promise.withResolvers<void>()
    const federation = await openFederation({
      ...JOB,
      quadratic: (client) => ({
        before: async (call, round) => {
          if (call !== 'fit' || round !== 2) return
          fits.push(client)
          if (client === 'c') await stopped.promise
        },
      }),
    })
    try {
      for (const client of JOB.clients) void federation.work(client)
      const stop = new AbortController()
      const first = federation.coordinate({ signal: stop.signal })
      const admitted = () =>
        eventsOf(federation.events, 'UpdateAdmitted').filter(({ round }) => round === 2).length === 2
      await until('two updates of round 2 were admitted', admitted)
      stop.abort()
      await assert.rejects(first, { code: 'Interrupted' })
      const second = federation.coordinate()
      await seen(federation, 'RunStarted', ({ epoch }) => epoch === 2)
      stopped.resolve()
      await second
      assert.deepEqual(fits.sort(), ['a', 'b', 'c'], 'everybody trained round 2 once')
      await assertSame(federation)
    } finally {
      await federation.close()
    }
  })

  test('deletes no update that was stored before the stop, and whose receipt follows', async () => {
    const memory = createMemoryStore()
    const stored = Promise.withResolvers<void>()
    const stopped = Promise.withResolvers<void>()
    const transfers = recordingTransfers(
      createGrantedTransfers({ memory }),
      async (_, _operation, key, phase) => {
        if (phase === 'before' || !key.includes('rounds/2/1/updates/b/')) return
        stored.resolve()
        await stopped.promise
      },
    )
    const federation = await openFederation({ ...JOB, store: memory, transfers })
    try {
      for (const client of JOB.clients) void federation.work(client)
      const stop = new AbortController()
      const first = federation.coordinate({ signal: stop.signal })
      await stored.promise
      stop.abort()
      await assert.rejects(first, { code: 'Interrupted' })
      stopped.resolve()
      await federation.coordinate()
      assert.deepEqual(eventsOf(federation.events, 'UpdateRejected'), [])
      await assertSame(federation)
    } finally {
      stopped.resolve()
      await federation.close()
    }
  })

  test('on a complete run says so at once, and asks nobody', async () => {
    const { store, model } = await runFederation(JOB)
    const federation = await openFederation({ ...JOB, store, pace: { farewellSeconds: 0.1 } })
    try {
      const outcome = await federation.coordinate()
      assert.equal(outcome.rounds, 4)
      assert.deepEqual(
        federation.events.map(({ event }) => event),
        ['RunStarted', 'RunCompleted'],
      )
      assert.equal(await federation.model(), model)
    } finally {
      await federation.close()
    }
  })

  test('refuses the record of another job', async () => {
    const { store } = await runFederation({ ...JOB, rounds: 1 })
    const federation = await openFederation({ ...JOB, store, fixed: { spec: { trainer: 'another' } } })
    try {
      await assert.rejects(federation.coordinate(), { code: 'OutputInUse' })
    } finally {
      await federation.close()
    }
  })

  test('goes on where the rounds were raised before the last one was reached', async () => {
    const federation = await openFederation({ ...JOB, rounds: 4 })
    try {
      for (const client of JOB.clients) void federation.work(client)
      await assert.rejects(coordinateThrough(federation, 2), { code: 'Interrupted' })
      federation.live.rounds = 5
      const outcome = await federation.coordinate()
      assert.equal(outcome.rounds, 5)
    } finally {
      await federation.close()
    }
  })
})

describe('rounds that were raised while the last model was evaluated', () => {
  const whole = runFederation({ ...JOB, rounds: 5 })

  for (const [what, key] of [
    ['the attempt was open', attemptKeys(5, 1).plan],
    ['the attempt was decided', attemptKeys(5, 1).decision],
  ] as const) {
    test(`${what}: the round is trained in the next attempt`, async () => {
      const memory = createMemoryStore()
      const transfers = createGrantedTransfers({ memory })
      const federation = await openFederation({ ...JOB, store: memory, transfers })
      const stop = new AbortController()
      const store: ObjectStore = {
        ...memory,
        async put(name, body) {
          // After its last write the coordinator is stopped and writes nothing more.
          if (stop.signal.aborted) throw new Error('the coordinator was killed')
          const written = await memory.put(name, body)
          if (name === key) stop.abort()
          return written
        },
      }
      try {
        for (const client of JOB.clients) void federation.work(client)
        await assert.rejects(federation.coordinate({ signal: stop.signal, store }))
        federation.live.rounds = 5
        assert.equal((await federation.coordinate()).rounds, 5)
        assert.equal((await planOf(memory, 5, 2)).kind, 'Train')
        assert.equal(await federation.model(), (await whole).model)
        assert.deepEqual((await verifyRecord(memory)).problems, [])
      } finally {
        await federation.close()
      }
    })
  }
})

describe('a newer coordinator', () => {
  test('supersedes the older one, and the workers go on with it', async () => {
    const federation = await openFederation(JOB)
    try {
      const workers = JOB.clients.map((client) => federation.work(client))
      const second = Promise.withResolvers<RunOutcome>()
      const first = federation.coordinate({
        onEvent: (event) => {
          if (event.event === 'RoundCompleted' && event.round === 1) second.resolve(federation.coordinate())
        },
      })
      await assert.rejects(first, { code: 'Superseded' })
      await second.promise
      assert.deepEqual(await Promise.all(workers), Array(3).fill('the run is complete'))
      await assertSame(federation)
    } finally {
      await federation.close()
    }
  })

  test('is noticed by the older one in an attempt that waits, by what the workers say or in the store', async () => {
    const late = Promise.withResolvers<void>()
    const federation = await openFederation({
      ...JOB,
      pace: { holdSeconds: 0.3 },
      quadratic: (client) => ({
        before: (call, round) => (client === 'c' && call === 'fit' && round === 2 ? late.promise : undefined),
      }),
    })
    try {
      for (const client of JOB.clients) void federation.work(client)
      const first = federation.coordinate()
      const superseded = assert.rejects(first, { code: 'Superseded' })
      await seen(federation, 'UpdateAdmitted', ({ round }) => round === 2)
      const second = federation.coordinate()
      await superseded
      late.resolve()
      await second
      await assertSame(federation)
    } finally {
      late.resolve()
      await federation.close()
    }
  })
})
