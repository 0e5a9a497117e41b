// A record is verified by its bytes: whatever object of it is changed, lost or swapped is found.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { runFederation } from '#test/federation/federation.ts'
import { createGrantedTransfers } from '#transport/granted.ts'
import { createMemoryStore } from '#transport/memory.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { verifyRecord } from './verify.ts'

/** Every key that was written, with its bytes. */
let written: Map<string, Uint8Array>

before(async () => {
  const memory = createMemoryStore()
  const keys = new Set<string>()
  const noting: ObjectStore = {
    ...memory,
    put: (key, body) => {
      keys.add(key)
      return memory.put(key, body)
    },
    write: (key, size, chunks) => {
      keys.add(key)
      return memory.write(key, size, chunks)
    },
    grantWrite: (key, terms, seconds) => {
      keys.add(key)
      return memory.grantWrite(key, terms, seconds)
    },
  }
  await runFederation({
    clients: ['a', 'b'],
    rounds: 2,
    size: 100,
    store: noting,
    transfers: createGrantedTransfers({ memory }),
  })
  written = new Map()
  for (const key of keys) {
    const bytes = await memory.get(key)
    if (bytes !== undefined) written.set(key, bytes)
  }
})

async function recordWith(
  change: (key: string, bytes: Uint8Array) => Uint8Array | undefined,
): Promise<ObjectStore> {
  const store = createMemoryStore()
  for (const [key, bytes] of written) {
    const changed = change(key, bytes)
    if (changed !== undefined) await store.put(key, changed)
  }
  return store
}

describe('a record', () => {
  test('that nobody touched is sound, with what retention deleted told', async () => {
    const { problems, complete, results, absent } = await verifyRecord(await recordWith((_, bytes) => bytes))
    assert.deepEqual(problems, [])
    assert.deepEqual({ complete, results }, { complete: true, results: 4 })
    assert.deepEqual(
      absent.filter((key) => key.endsWith('model.safetensors')),
      ['rounds/0/1/model.safetensors'],
    )
  })

  test('with one bit changed, in whatever object that counts, is not', async () => {
    const counting = [...written.keys()].filter(
      (key) => !key.startsWith('coordinators/') && key !== 'output/manifest.json',
    )
    assert.ok(counting.length > 20)
    for (const damaged of counting) {
      const store = await recordWith((key, bytes) => {
        if (key !== damaged) return bytes
        const flipped = new Uint8Array(bytes)
        flipped[flipped.length - 2] = flipped[flipped.length - 2]! ^ 1
        return flipped
      })
      const { problems } = await verifyRecord(store)
      assert.notDeepEqual(problems, [], damaged)
    }
  })

  test('without one of its markers is not', async () => {
    for (const missing of [
      'run.json',
      'rounds/1/1/plan.json',
      'rounds/2/1/decision.json',
      'rounds/1/1/updates/a.json',
    ]) {
      const { problems } = await verifyRecord(
        await recordWith((key, bytes) => (key === missing ? undefined : bytes)),
      )
      assert.notDeepEqual(problems, [], missing)
    }
  })

  test('whose last result is cut off has an output that is not of it', async () => {
    const { problems } = await verifyRecord(
      await recordWith((key, bytes) => (key === 'rounds/3/result.json' ? undefined : bytes)),
    )
    assert.match(problems.join(), /head that is not in the chain/)
  })
})
