// Writes of markers: no two coordinators share an epoch, an existing marker wins, and a newer coordinator ends an older one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { epochKey, RUN_KEY } from '#protocol/keys.ts'
import type { AbandonedDecision, RunRecord } from '#protocol/record.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { claimEpoch } from './epochs.ts'
import { openMarkers, openRun, type RunMarkers, readRecord } from './markers.ts'

const RUN: RunRecord = {
  schema: 'fedsam.run/1',
  name: 'job',
  uid: 'u',
  spec: { rounds: 1 },
  seed: 0,
  base: null,
}

const abandoned = (message: string): Omit<AbandonedDecision, 'epoch'> => ({
  schema: 'fedsam.decision/1',
  kind: 'Abandoned',
  round: 1,
  attempt: 1,
  reason: 'QuorumNotReached',
  message,
  outcomes: [],
  failures: null,
})

async function bookOf(store: ObjectStore): Promise<RunMarkers> {
  const run = await openRun(store, RUN)
  return openMarkers(store, await claimEpoch(store, crypto.randomUUID()), run)
}

describe('epochs', () => {
  test('are claimed by one coordinator each, also where twelve start at once', async () => {
    const store = createMemoryStore()
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, i) => claimEpoch(store, `coordinator-${i}`)),
    )
    assert.deepEqual(
      claims.sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, i) => i + 1),
    )
  })

  test('belong to a coordinator whose write had the answer Exists, where they carry its incarnation', async () => {
    const store = createMemoryStore()
    const forgetful: ObjectStore = {
      ...store,
      async put(key, body) {
        await store.put(key, body)
        return 'Exists'
      },
    }
    assert.equal(await claimEpoch(forgetful, 'me'), 1)
    assert.equal(await store.size(epochKey(2)), undefined)
  })

  test('show a coordinator that a newer one exists', async () => {
    const store = createMemoryStore()
    const first = await bookOf(store)
    await first.assertCurrent()
    await bookOf(store)
    await assert.rejects(first.assertCurrent(), { code: 'Superseded' })
  })
})

describe('run.json', () => {
  test('is written once and read back', async () => {
    const store = createMemoryStore()
    const left = await openRun(store, RUN)
    assert.deepEqual(await openRun(store, RUN), left)
  })

  test('of another job is refused', async () => {
    const store = createMemoryStore()
    await openRun(store, RUN)
    await assert.rejects(openRun(store, { ...RUN, seed: 1 }), { code: 'OutputInUse' })
  })

  test('that does not describe a run is damaged', async () => {
    const store = createMemoryStore()
    await store.put(RUN_KEY, encodeJson({ schema: 'fedsam.run/1' }))
    await assert.rejects(readRecord(store, 'run', RUN_KEY), { code: 'RecordDamaged' })
  })
})

describe('a marker that exists already', () => {
  test('of an older coordinator counts: the newer one continues from it', async () => {
    const store = createMemoryStore()
    const older = await bookOf(store)
    const newer = await bookOf(store)
    const theirs = await older.writeDecision(abandoned('theirs'))
    assert.deepEqual(await newer.writeDecision(abandoned('mine')), theirs)
  })

  test('of a newer coordinator ends the older one', async () => {
    const store = createMemoryStore()
    const older = await bookOf(store)
    const newer = await bookOf(store)
    await newer.writeDecision(abandoned('theirs'))
    await assert.rejects(older.writeDecision(abandoned('mine')), { code: 'Superseded' })
  })

  test('of the same coordinator is its own write', async () => {
    const markers = await bookOf(createMemoryStore())
    const first = await markers.writeDecision(abandoned('mine'))
    assert.deepEqual(await markers.writeDecision(abandoned('mine')), first)
    assert.equal(first.value.epoch, 1)
  })
})
