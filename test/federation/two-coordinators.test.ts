// Two coordinators of one run at the same time, each with workers of its own, as two commands on one output folder: the older one
// ends as Superseded, the newer one completes the run, and what one of them deletes never fails the other.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { attemptKeys, epochKey, resultKey } from '#protocol/keys.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { until } from '../until.ts'
import {
  eventsOf,
  type Federation,
  type FederationOptions,
  openFederation,
  runFederation,
  seen,
} from './federation.ts'

/** One failed attempt fails the run. */
const JOB: FederationOptions = { clients: ['a', 'b'], rounds: 8, round: { maxFailedRounds: 1 } }

/** Two federations on one record. `views` change what each coordinator sees of it. */
async function twoOn(
  job: FederationOptions,
  views: (memory: ObjectStore) => readonly [older: ObjectStore, newer: ObjectStore],
  use: (older: Federation, newer: Federation, memory: ObjectStore) => Promise<void>,
): Promise<void> {
  const memory = createMemoryStore()
  const transfers = createGrantedTransfers({ memory })
  const [older, newer] = await Promise.all(
    views(memory).map((store) => openFederation({ ...job, store, transfers })),
  )
  try {
    for (const federation of [older!, newer!]) for (const client of job.clients) void federation.work(client)
    await use(older!, newer!, memory)
  } finally {
    await Promise.all([older!.close(), newer!.close()])
  }
}

const isUpdate = (key: string, round: number): boolean =>
  key.startsWith(`rounds/${round}/1/updates/`) && key.endsWith('.safetensors')

/** A coordinator before both: it ends between its decision of the round and the fold, so that the next ones read the updates. */
async function stopAfterDecision(
  { coordinate }: Federation,
  memory: ObjectStore,
  round: number,
): Promise<void> {
  const stop = new AbortController()
  const store: ObjectStore = {
    ...memory,
    async put(key, body) {
      const written = await memory.put(key, body)
      if (key === attemptKeys(round, 1).decision) stop.abort()
      return written
    },
  }
  assert.equal(await endOf(coordinate({ signal: stop.signal, store })), 'Interrupted')
}

/** What a run came to: Complete, or the code of its error. */
const endOf = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'Complete',
    (error: { code?: string }) => error.code ?? String(error),
  )

async function assertSound(memory: ObjectStore, { model }: Federation): Promise<void> {
  assert.equal(await model(), (await runFederation(JOB)).model)
  const { problems, complete } = await verifyRecord(memory)
  assert.deepEqual([problems, complete], [[], true])
}

describe('two coordinators of one run', () => {
  test('the older one is superseded while rounds and deletions go on', async () => {
    const job = { ...JOB, rounds: 40 }
    const plain = (memory: ObjectStore) => [memory, memory] as const
    await twoOn(job, plain, async (older, newer, memory) => {
      const second = Promise.withResolvers<string>()
      const first = endOf(
        older.coordinate({
          onEvent: (event) => {
            if (event.event === 'RoundCompleted' && event.round === 3)
              second.resolve(endOf(newer.coordinate()))
          },
        }),
      )
      assert.equal(await first, 'Superseded')
      assert.equal(await second.promise, 'Complete')
      assert.equal(await newer.model(), (await runFederation(job)).model)
      assert.deepEqual((await verifyRecord(memory)).problems, [])
    })
  })

  test('the newer one deletes what the older one folds: the older one is superseded, and the run does not fail', async () => {
    const folds = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    let isHidden = true
    const views = (memory: ObjectStore) =>
      [
        {
          ...memory,
          size: async (key: string) => (isHidden && key === epochKey(3) ? undefined : memory.size(key)),
          async get(key: string, ...rest: [never?, never?]) {
            if (isUpdate(key, 2)) {
              folds.resolve()
              await released.promise
            }
            return memory.get(key, ...rest)
          },
        },
        memory,
      ] as const
    await twoOn(JOB, views, async (older, newer, memory) => {
      await stopAfterDecision(older, memory, 2)
      const first = endOf(older.coordinate())
      await folds.promise
      assert.equal(await endOf(newer.coordinate()), 'Complete')
      isHidden = false
      released.resolve()
      assert.equal(await first, 'Superseded')
      await assertSound(memory, newer)
    })
  })

  test('the older one deletes what the newer one folds: the newer one takes the result that is there, and completes', async () => {
    const [folds, planned] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const views = (memory: ObjectStore) =>
      [
        {
          ...memory,
          // It does not notice the newer one by itself.
          size: async (key: string) => (key === epochKey(3) ? undefined : memory.size(key)),
          async put(key: string, body: Uint8Array) {
            if (key === resultKey(2)) await folds.promise
            if (key === attemptKeys(6, 1).plan) await planned.promise
            return memory.put(key, body)
          },
        },
        {
          ...memory,
          async put(key: string, body: Uint8Array) {
            const written = await memory.put(key, body)
            if (key === attemptKeys(6, 1).plan) planned.resolve()
            return written
          },
          async get(key: string, ...rest: [never?, never?]) {
            if (isUpdate(key, 2)) {
              folds.resolve()
              await until(`${key} is deleted`, async () => (await memory.size(key)) === undefined)
            }
            return memory.get(key, ...rest)
          },
        },
      ] as const
    await twoOn(JOB, views, async (older, newer, memory) => {
      await stopAfterDecision(older, memory, 2)
      const first = endOf(older.coordinate())
      await seen(older, 'RunStarted', ({ epoch }) => epoch === 2)
      assert.equal(await endOf(newer.coordinate()), 'Complete')
      assert.equal(await first, 'Superseded')
      assert.deepEqual(eventsOf(newer.events, 'AttemptAbandoned'), [])
      await assertSound(memory, newer)
    })
  })

  test('the older one evaluated the last model while the newer one had more rounds: the result that is there ends the run', async () => {
    const [evaluated, trained] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const last = resultKey(JOB.rounds! + 1)
    const views = (memory: ObjectStore) =>
      [
        {
          ...memory,
          size: async (key: string) => (key === epochKey(2) ? undefined : memory.size(key)),
          async put(key: string, body: Uint8Array) {
            if (key === last) {
              evaluated.resolve()
              await trained.promise
            }
            return memory.put(key, body)
          },
        },
        {
          ...memory,
          async put(key: string, body: Uint8Array) {
            if (key === last) {
              trained.resolve()
              await until(`${key} is there`, async () => (await memory.size(key)) !== undefined)
            }
            return memory.put(key, body)
          },
        },
      ] as const
    await twoOn(JOB, views, async (older, newer, memory) => {
      const first = endOf(older.coordinate())
      await evaluated.promise
      newer.live.rounds = JOB.rounds! + 1
      const { rounds, evaluation } = await newer.coordinate()
      assert.equal(rounds, JOB.rounds)
      assert.notEqual(evaluation, null)
      assert.equal(await first, 'Complete')
      assert.equal(eventsOf(newer.events, 'RoundCompleted').at(-1)?.kind, 'Evaluate')
      await assertSound(memory, newer)
    })
  })
})
