import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestPayload } from '#protocol/digest.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { writePayload } from './payload-writer.ts'

const BYTES = Uint8Array.from({ length: 3000 }, (_, i) => i % 251)

async function push(store: ObjectStore, bytes = BYTES) {
  const writer = writePayload(store, 'k', bytes.length)
  for (let at = 0; at < bytes.length; at += 1000) await writer.push(bytes.subarray(at, at + 1000))
  return writer.finish()
}

test('the pushed chunks are stored under the key, and the result has their digests', async () => {
  const store = createMemoryStore()
  assert.deepEqual(await push(store), { key: 'k', ...digestPayload(BYTES) })
  assert.deepEqual(await store.get('k'), BYTES)
})

test('a store that finds the object reads no chunk, and the writer does not wait for it', async () => {
  const store = createMemoryStore()
  await store.put('k', BYTES)
  const lazy: ObjectStore = { ...store, write: async () => 'Exists' }
  assert.deepEqual(await push(lazy), { key: 'k', ...digestPayload(BYTES) })
  await assert.rejects(push(lazy, BYTES.toReversed()), {
    code: 'RecordDamaged',
    message: /k has 3000 bytes/,
  })
  await assert.rejects(push(lazy, BYTES.subarray(1)), { code: 'RecordDamaged', message: /give 2999 bytes/ })
})

test('a failing store is reported, early or late', async () => {
  const store = createMemoryStore()
  const early: ObjectStore = { ...store, write: () => Promise.reject(new Error('no space')) }
  await assert.rejects(push(early), /no space/)
  const late: ObjectStore = {
    ...store,
    async write(_key, _size, chunks) {
      for await (const _ of chunks) throw new Error('no space')
      return 'Created'
    },
  }
  await assert.rejects(push(late), /no space/)
})

test('an aborted write leaves no object', async () => {
  const store = createMemoryStore()
  const writer = writePayload(store, 'k', BYTES.length)
  await writer.push(BYTES.subarray(0, 1000))
  await writer.abort(new Error('given up'))
  assert.equal(await store.size('k'), undefined)
})
