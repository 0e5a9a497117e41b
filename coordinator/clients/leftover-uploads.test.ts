// What clients uploaded and no receipt names: gone at the end of the attempt, also after a restart, a failed delete or a late write.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, MAX_UPLOADS, uploadName } from '#protocol/keys.ts'
import type { Plan, Receipt } from '#protocol/record.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { OpenAttempt } from '../attempts/attempt.ts'
import type { RunContext } from '../run/context.ts'
import { createAttemptUploads } from './attempt-uploads.ts'
import { cleanAttempt, cleanDecided, deleteLeftovers } from './leftover-uploads.ts'

const KEYS = attemptKeys(2, 1)
const PLAN = { round: 2, attempt: 1, cohort: ['a', 'b'] } as unknown as Plan
const BYTES = new Uint8Array(8)
const payload = (client: string, number: number): string => KEYS.payload(client, uploadName(number))

/** A receipt of the client that names its payload of this number. */
function receipt(client: string, number: number): Uint8Array {
  const update = {
    ...{ upload: uploadName(number), size: 8, sha256: 'a'.repeat(64), blocks: ['a'.repeat(64)] },
    ...{ numExamples: 1, metrics: {} },
  }
  const value: Receipt = {
    ...{ schema: 'fedsam.receipt/1', client, round: 2, attempt: 1, incarnation: 'i', base: null },
    ...{ update, evaluation: null, notEvaluated: null, dataset: '' },
  }
  return encodeJson(value)
}

function setUp({ store = createMemoryStore() as ObjectStore, takenOver = false } = {}) {
  const time = { now: 0 }
  const context = {
    markers: { store },
    floor: { leftovers: new Map() },
    clock: { now: () => time.now },
    pace: { grantSeconds: 900 },
  } as unknown as RunContext
  const uploads = createAttemptUploads(store, takenOver)
  const admitted: string[] = []
  const open = {
    plan: { value: PLAN },
    uploads,
    updates: () => admitted.map((key) => ({ payload: { key } })),
  } as unknown as OpenAttempt
  return { store, time, context, uploads, admitted, open }
}

async function left(store: ObjectStore): Promise<string[]> {
  const keys = PLAN.cohort.flatMap((client) =>
    Array.from({ length: MAX_UPLOADS }, (_, at) => payload(client, at + 1)),
  )
  const sizes = await Promise.all(keys.map((key) => store.size(key)))
  return keys.filter((_, at) => sizes[at] !== undefined)
}

describe('at the end of an attempt', () => {
  test('what was granted and no receipt names is deleted, and open uploads are given up', async () => {
    const { store, context, uploads, admitted, open } = setUp()
    for (const key of [payload('a', 1), payload('a', 2), payload('b', 1)]) {
      uploads.grant(key, 60)
      await store.put(key, BYTES)
    }
    admitted.push(payload('a', 2))
    await store.put(KEYS.receipt('a'), receipt('a', 2))
    await uploads.resume(payload('b', 2))
    await cleanAttempt(context, open)
    assert.deepEqual(await left(store), [payload('a', 2)])
    assert.deepEqual(await store.openUploads(KEYS.updates), [])
  })

  test('what a rejected or late receipt names stays for the record', async () => {
    const { store, context, uploads, open } = setUp()
    uploads.grant(payload('a', 1), 60)
    await store.put(payload('a', 1), BYTES)
    await store.put(KEYS.receipt('a'), receipt('a', 1))
    await cleanAttempt(context, open)
    assert.deepEqual(await left(store), [payload('a', 1)])
    assert.equal(context.floor.leftovers.size, 0)
  })

  test('nothing is asked of the store where every payload was admitted', async () => {
    const { context, uploads, admitted, open } = setUp({ store: undefined as unknown as ObjectStore })
    Object.assign(context.markers, { store: undefined })
    uploads.grant(payload('a', 1), 60)
    admitted.push(payload('a', 1))
    await cleanAttempt(context, open)
  })

  test('a payload that is written later, by a grant that was still valid, is deleted at the next end', async () => {
    const { store, time, context, uploads, open } = setUp()
    uploads.grant(payload('a', 1), 60)
    await cleanAttempt(context, open)
    await store.put(payload('a', 1), BYTES)
    time.now = 60
    await deleteLeftovers(context)
    assert.deepEqual(await left(store), [])
    assert.equal(context.floor.leftovers.size, 0)
  })

  test('a delete that failed is repeated', async () => {
    const memory = createMemoryStore()
    let isAway = true
    const store: ObjectStore = {
      ...memory,
      async delete(key) {
        if (isAway) throw new FedsamError('StorageUnreachable', 'it is away')
        await memory.delete(key)
      },
    }
    const { time, context, uploads, open } = setUp({ store })
    uploads.grant(payload('a', 1), 60)
    await store.put(payload('a', 1), BYTES)
    time.now = 100
    await cleanAttempt(context, open)
    assert.deepEqual(await left(store), [payload('a', 1)])
    isAway = false
    await deleteLeftovers(context)
    assert.deepEqual(await left(store), [])
  })
})

describe('a coordinator that restarted', () => {
  for (const [what, clean] of [
    ['an attempt that it took over', (context: RunContext, open: OpenAttempt) => cleanAttempt(context, open)],
    ['an attempt that was decided before it', (context: RunContext) => cleanDecided(context, PLAN)],
  ] as const) {
    test(`deletes what the one before it granted in ${what}, by computed names`, async () => {
      const { store, context, open } = setUp({ takenOver: true })
      for (const client of PLAN.cohort)
        for (let number = 1; number <= MAX_UPLOADS; number += 1)
          await store.put(payload(client, number), BYTES)
      await store.put(KEYS.receipt('b'), receipt('b', 3))
      await store.openUpload(payload('a', 1))
      await clean(context, open)
      assert.deepEqual(await left(store), [payload('b', 3)])
      assert.deepEqual(await store.openUploads(KEYS.updates), [])
    })
  }

  test('waits for a store that is out of reach, and deletes nothing that a receipt may name', async () => {
    const memory = createMemoryStore()
    const store: ObjectStore = {
      ...memory,
      get: () => Promise.reject(new FedsamError('StorageUnreachable', 'it is away')),
    }
    const { context } = setUp({ store })
    await store.put(payload('a', 1), BYTES)
    await cleanDecided(context, PLAN)
    assert.deepEqual(await left(store), [payload('a', 1)])
  })
})
