// What retention deletes and what it keeps, where deletes fail, attempts are abandoned, and the best model changes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { quadraticWork } from '../trainers/quadratic.ts'
import {
  coordinateThrough,
  eventsOf,
  type FederationOptions,
  openFederation,
  runFederation,
  seen,
} from './federation.ts'
import { receiptOf, resultOf } from './record.ts'

const CLIENTS = ['a', 'b']
const JOB: FederationOptions = { clients: CLIENTS, rounds: 6, size: 10 }

/** Rounds (of 0 to `last`) whose model is there, and those with any update of their attempts. */
async function kept(store: ObjectStore, last: number): Promise<{ models: number[]; updates: number[] }> {
  const models: number[] = []
  const updates: number[] = []
  for (let round = 0; round <= last; round += 1) {
    const result = await resultOf(store, round)
    if ((await store.size(result.model.key)) !== undefined) models.push(round)
    if ((await updatesLeft(store, round, result.attempt)).length > 0) updates.push(round)
  }
  return { models, updates }
}

async function updatesLeft(store: ObjectStore, round: number, attempts: number): Promise<string[]> {
  const left: string[] = []
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    for (const client of CLIENTS) {
      const receipt = await receiptOf(store, round, client, attempt).catch(() => undefined)
      if (!receipt?.update) continue
      const key = attemptKeys(round, attempt).payload(client, receipt.update.upload)
      if ((await store.size(key)) !== undefined) left.push(key)
    }
  }
  return left
}

/** Transfers and a store of one memory; the coordinator sees it through `view`. */
function over(view: (memory: ObjectStore) => ObjectStore): {
  memory: ObjectStore
  options: Pick<FederationOptions, 'store' | 'transfers'>
} {
  const memory = createMemoryStore()
  return { memory, options: { store: view(memory), transfers: createGrantedTransfers({ memory }) } }
}

const unreachable = (): FedsamError => new FedsamError('StorageUnreachable', 'away for a moment')

describe('retention', () => {
  for (const [rounds, models, updates] of [
    [1, [5, 6], [6]],
    [2, [5, 6], [5, 6]],
    [3, [4, 5, 6], [4, 5, 6]],
    [9, [0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]],
  ] as const) {
    test(`rounds: ${rounds} keeps the updates of as many rounds, and the last and the previous model`, async () => {
      const { store } = await runFederation({ ...JOB, fixed: { retentionRounds: rounds } })
      assert.deepEqual(await kept(store, 6), { models, updates })
    })
  }

  test('the model that was the best goes when a later one is better, also by the last evaluation', async () => {
    const scores = [0, 0.3, 0.1, 0.1, 0.1, 0.5, 0.6]
    const federation = await openFederation({
      ...JOB,
      fixed: { stopping: { bestBy: { metric: 'score', mode: 'Max' }, stopWhen: null } },
    })
    try {
      let meanwhile: number[] = []
      for (const client of CLIENTS)
        void federation.work(client, {
          work: {
            ...quadraticWork({ client, size: 10 }),
            evaluate: async ({ config }) => {
              const model = Number(config.server_round) - 1
              if (model === 5) meanwhile = (await kept(federation.store, 5)).models
              return { loss: 1, num_examples: 1, metrics: { score: scores[model]! } }
            },
          },
        })
      await federation.coordinate()
      assert.ok(meanwhile.includes(1), 'the model of round 1 is kept for as long as it is the best')
      assert.deepEqual((await kept(federation.store, 6)).models, [5, 6])
      assert.deepEqual((await verifyRecord(federation.store)).problems, [])
    } finally {
      await federation.close()
    }
  })

  test('a delete that fails is tried again after the next round', async () => {
    const failures = new Map<string, number>()
    const { memory, options } = over((memory) => ({
      ...memory,
      async delete(key) {
        const count = failures.get(key) ?? 0
        failures.set(key, count + 1)
        if (count === 0) throw unreachable()
        await memory.delete(key)
      },
    }))
    await runFederation({ ...JOB, rounds: 8, ...options })
    // What fell out of the window last has had one try only.
    const { models, updates } = await kept(memory, 5)
    assert.deepEqual([models, updates], [[], []])
  })

  test('a receipt that cannot be read now is read again', async () => {
    let failed = false
    const { memory, options } = over((memory) => ({
      ...memory,
      async get(key, ...rest) {
        // The fourth round is over, so it is retention that reads.
        const isOver = (await memory.size('rounds/4/result.json')) !== undefined
        if (isOver && !failed && key === attemptKeys(2, 1).receipt('a')) {
          failed = true
          throw unreachable()
        }
        return memory.get(key, ...rest)
      },
    }))
    await runFederation({ ...JOB, ...options })
    assert.equal(failed, true)
    assert.deepEqual((await kept(memory, 4)).updates, [])
  })

  test('what a coordinator could not delete the next one deletes', async () => {
    let isStuck = true
    const { memory, options } = over((memory) => ({
      ...memory,
      async delete(key) {
        if (isStuck) throw unreachable()
        await memory.delete(key)
      },
    }))
    const federation = await openFederation({ ...JOB, ...options })
    try {
      for (const client of CLIENTS) void federation.work(client)
      await assert.rejects(coordinateThrough(federation, 5), { code: 'Interrupted' })
      assert.deepEqual((await kept(memory, 5)).models, [0, 1, 2, 3, 4, 5])
      isStuck = false
      await federation.coordinate()
      assert.deepEqual(await kept(memory, 6), { models: [5, 6], updates: [5, 6] })
    } finally {
      await federation.close()
    }
  })

  test('updates of abandoned attempts go with their round, and so do models of attempts that were given up', async () => {
    let failures = 0
    const { memory, options } = over((memory) => memory)
    // Another object is where the first attempt at round 2 would leave its model: that attempt is given up as damaged.
    await memory.put(attemptKeys(2, 1).model, new Uint8Array(3))
    const federation = await openFederation({
      ...JOB,
      ...options,
      quadratic: (client) => ({
        before: async (call, round) => {
          if (client !== 'b' || call !== 'fit' || round !== 1 || failures++ > 0) return
          await seen(federation, 'UpdateAdmitted', (update) => update.round === 1)
          throw new Error('once')
        },
      }),
    })
    try {
      for (const client of CLIENTS) void federation.work(client)
      await federation.coordinate()
      const abandoned = eventsOf(federation.events, 'AttemptAbandoned')
      assert.deepEqual(
        abandoned.map(({ round, reason }) => [round, reason]),
        [
          [1, 'QuorumNotReached'],
          [2, 'RecordDamaged'],
        ],
      )
      assert.notEqual(
        (await receiptOf(memory, 1, 'a', 1)).update,
        null,
        'a has an update in the first attempt',
      )
      assert.deepEqual(await updatesLeft(memory, 1, 2), [])
      assert.equal(await memory.size(attemptKeys(2, 1).model), undefined)
      assert.deepEqual((await kept(memory, 6)).models, [5, 6])
    } finally {
      await federation.close()
    }
  })
})
