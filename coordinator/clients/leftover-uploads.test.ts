// Uploads that no receipt names are deleted at the end of the attempt, also after a restart, a failed delete or a late write.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, exchangeKeys, MAX_UPLOADS, pieceKey, probeKey, uploadName } from '#protocol/keys.ts'
import { PIECE_BYTES } from '#protocol/messages.ts'
import type { Plan, Receipt } from '#protocol/record.ts'
import { askOf, NO_STATES, storeReply, UPLOAD } from '#test/given/exchange.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { createAttemptUploads } from './attempt-uploads.ts'
import type { ServedAttempt } from './current-attempt.ts'
import { openLeftoverUploads } from './leftover-uploads.ts'

const KEYS = attemptKeys(2, 1)
const PLAN = { round: 2, attempt: 1, cohort: ['a', 'b'], evaluators: [], strategy: {} } as unknown as Plan
const BYTES = new Uint8Array(8)
const payload = (client: string, number: number): string => KEYS.payload(client, uploadName(number))

/** A receipt of the client that names its payload of this number. */
function receipt(client: string, number: number): Uint8Array {
  const update = {
    upload: uploadName(number),
    size: 8,
    sha256: 'a'.repeat(64),
    blocks: ['a'.repeat(64)],
    numExamples: 1,
    metrics: {},
  }
  const value: Receipt = {
    schema: 'fedsam.receipt/1',
    client,
    round: 2,
    attempt: 1,
    incarnation: 'i',
    base: null,
    update,
    evaluation: null,
    notEvaluated: null,
    dataset: '',
  }
  return encodeJson(value)
}

function setUp({ store = createMemoryStore() as ObjectStore, takenOver = false } = {}) {
  const time = { now: 0 }
  const requests: string[] = []
  const recording: ObjectStore = {
    ...store,
    get(key, ...rest) {
      requests.push(key)
      return store.get(key, ...rest)
    },
  }
  const clock = { now: () => time.now, sleep: async () => {} }
  const leftovers = openLeftoverUploads({ store: recording, clock, grantSeconds: 900 })
  const uploads = createAttemptUploads(store, takenOver)
  const open = { plan: { value: PLAN }, uploads } as unknown as ServedAttempt
  return { store, time, leftovers, requests, uploads, open }
}

type SetUp = ReturnType<typeof setUp>

async function remaining(store: ObjectStore): Promise<string[]> {
  const keys = PLAN.cohort.flatMap((client) =>
    Array.from({ length: MAX_UPLOADS }, (_, at) => payload(client, at + 1)),
  )
  const sizes = await Promise.all(keys.map((key) => store.size(key)))
  return keys.filter((_, at) => sizes[at] !== undefined)
}

describe('at the end of an attempt', () => {
  test('a granted payload that no receipt names is deleted, and open uploads are aborted', async () => {
    const { store, leftovers, uploads, open } = setUp()
    for (const key of [payload('a', 1), payload('a', 2), payload('b', 1)]) {
      uploads.grant(key, 60)
      await store.put(key, BYTES)
    }
    await store.put(KEYS.receipt('a'), receipt('a', 2))
    await uploads.resume(payload('b', 2))
    await leftovers.cleanAttempt(open, [payload('a', 2)])
    assert.deepEqual(await remaining(store), [payload('a', 2)])
    assert.deepEqual(await store.openUploads(KEYS.updates), [])
  })

  test('a payload that a rejected or late receipt names stays for the record', async () => {
    const { store, leftovers, requests, uploads, open } = setUp()
    uploads.grant(payload('a', 1), 60)
    await store.put(payload('a', 1), BYTES)
    await store.put(KEYS.receipt('a'), receipt('a', 1))
    await leftovers.cleanAttempt(open, [])
    assert.deepEqual(await remaining(store), [payload('a', 1)])
    await leftovers.deleteNoted()
    assert.deepEqual(requests, [KEYS.receipt('a')], 'the payload is not noted any more')
  })

  test('the store receives no request where every payload was admitted', async () => {
    const { leftovers, requests, uploads, open } = setUp()
    uploads.grant(payload('a', 1), 60)
    await leftovers.cleanAttempt(open, [payload('a', 1)])
    assert.deepEqual(requests, [])
  })

  test('a payload that is written later, with a grant that is still valid, is deleted at the end of the next attempt', async () => {
    const { store, time, leftovers, requests, uploads, open } = setUp()
    uploads.grant(payload('a', 1), 60)
    await leftovers.cleanAttempt(open, [])
    await store.put(payload('a', 1), BYTES)
    time.now = 60
    await leftovers.deleteNoted()
    assert.deepEqual(await remaining(store), [])
    await leftovers.deleteNoted()
    assert.equal(requests.length, 2, 'after the grant has expired, the payload is not noted any more')
  })

  test('the probe of a site is deleted, too', async () => {
    const { store, leftovers, requests, open } = setUp()
    await store.put(probeKey('a'), BYTES)
    leftovers.noteProbe('a', 60)
    await leftovers.cleanAttempt(open, [])
    assert.equal(await store.size(probeKey('a')), undefined)
    assert.deepEqual(requests, [])
  })

  test('a state that no receipt names is deleted; one that a receipt names stays', async () => {
    const { store, leftovers, uploads, open } = setUp()
    const [first, second] = [1, 2].map((number) => KEYS.clientState('a', uploadName(number)))
    for (const key of [first!, second!]) {
      uploads.grant(key, 60)
      await store.put(key, BYTES)
    }
    const state = { upload: uploadName(2), size: 8, sha256: 'a'.repeat(64), blocks: ['a'.repeat(64)] }
    const named = JSON.parse(new TextDecoder().decode(receipt('a', 1))) as Receipt
    await store.put(KEYS.receipt('a'), encodeJson({ ...named, state, stateBase: null }))
    await leftovers.cleanAttempt(open, [])
    assert.deepEqual([await store.size(first!), await store.size(second!)], [undefined, 8])
  })

  test('the pieces of a payload that were granted are deleted, too', async () => {
    const { store, leftovers, uploads, open } = setUp()
    const piece = pieceKey(payload('a', 1), 3)
    uploads.grant(piece, 60)
    await store.put(piece, BYTES)
    await leftovers.cleanAttempt(open, [])
    assert.equal(await store.size(piece), undefined)
  })

  test('a delete that failed is repeated', async () => {
    const memory = createMemoryStore()
    let isAway = true
    const store: ObjectStore = {
      ...memory,
      async delete(key) {
        if (isAway) throw new FedsamError('StorageUnreachable', 'the store is away')
        await memory.delete(key)
      },
    }
    const { time, leftovers, uploads, open } = setUp({ store })
    uploads.grant(payload('a', 1), 60)
    await store.put(payload('a', 1), BYTES)
    time.now = 100
    await leftovers.cleanAttempt(open, [])
    assert.deepEqual(await remaining(store), [payload('a', 1)])
    isAway = false
    await leftovers.deleteNoted()
    assert.deepEqual(await remaining(store), [])
  })
})

describe('a coordinator that restarted', () => {
  test('deletes the states that no receipt names, of evaluators too, by computed names', async () => {
    const { store, leftovers } = setUp()
    const plan = { ...PLAN, evaluators: ['onlooker'] } as Plan
    const states = ['a', 'onlooker'].map((client) => KEYS.clientState(client, uploadName(3)))
    for (const key of states) await store.put(key, BYTES)
    await leftovers.cleanDecided(plan)
    assert.deepEqual(await Promise.all(states.map((key) => store.size(key))), [undefined, undefined])
  })

  test('deletes the pieces that a site left, by computed names', async () => {
    const { store, leftovers } = setUp()
    const base = { payload: { size: 10 * PIECE_BYTES } }
    const plan = { ...PLAN, base, sites: [{ name: 'a', key: 'k' }] } as unknown as Plan
    const pieces = [0, 1, 7, 19].map((piece) => pieceKey(payload('a', 2), piece))
    for (const piece of pieces) await store.put(piece, BYTES)
    await leftovers.cleanDecided(plan)
    for (const piece of pieces) assert.equal(await store.size(piece), undefined, piece)
  })

  for (const [what, clean] of [
    ['an attempt that it took over', ({ leftovers, open }: SetUp) => leftovers.cleanAttempt(open, [])],
    ['an attempt that was decided before', ({ leftovers }: SetUp) => leftovers.cleanDecided(PLAN)],
  ] as const) {
    test(`deletes what an earlier coordinator granted in ${what}, by computed names`, async () => {
      const made = setUp({ takenOver: true })
      const { store } = made
      for (const client of PLAN.cohort)
        for (let number = 1; number <= MAX_UPLOADS; number += 1)
          await store.put(payload(client, number), BYTES)
      await store.put(KEYS.receipt('b'), receipt('b', 3))
      await store.openUpload(payload('a', 1))
      await clean(made)
      assert.deepEqual(await remaining(store), [payload('b', 3)])
      assert.deepEqual(await store.openUploads(KEYS.updates), [])
    })
  }

  test('deletes what clients left in an exchange that was decided before, and keeps what replies name', async () => {
    const { store, leftovers } = setUp()
    const { value: ask } = askOf()
    const keys = exchangeKeys(ask.exchange)
    await storeReply(store, ask, { place: 0, text: 'done', state: 'kept' })
    const left = [
      keys.payload('a', 0, uploadName(MAX_UPLOADS)),
      keys.payload('b', 1, uploadName(1)),
      keys.clientState('a', 2, uploadName(2)),
    ]
    for (const key of left) await store.put(key, BYTES)
    await store.openUpload(keys.payload('b', 1, uploadName(2)))
    await leftovers.cleanDecidedExchange(ask, NO_STATES.rule)
    for (const key of left) assert.equal(await store.size(key), undefined, key)
    assert.deepEqual(await store.openUploads(keys.replies), [])
    for (const key of [keys.payload('a', 0, UPLOAD), keys.clientState('a', 0, UPLOAD)])
      assert.equal(await store.size(key), 4, key)
  })

  test('deletes no payload while the store cannot say whether a receipt names it', async () => {
    const memory = createMemoryStore()
    const store: ObjectStore = {
      ...memory,
      get: () => Promise.reject(new FedsamError('StorageUnreachable', 'the store is away')),
    }
    const { leftovers } = setUp({ store })
    await store.put(payload('a', 1), BYTES)
    await leftovers.cleanDecided(PLAN)
    assert.deepEqual(await remaining(store), [payload('a', 1)])
  })
})
