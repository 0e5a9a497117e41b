// A copy has the bytes that the record names, or does not exist.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestPayload } from '#protocol/digest.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { copyPayload } from './verified-copy.ts'

const BODY = Uint8Array.from({ length: 9 * 1024 * 1024 + 3 }, (_, i) => (i * 7) % 256)
const PAYLOAD = { key: 'rounds/0/1/updates/a/0123456789abcdef.safetensors', ...digestPayload(BODY) }
const TARGET = 'rounds/0/1/model.safetensors'

test('a payload is copied with its digests, and a second copy changes nothing', async () => {
  const store = createMemoryStore()
  await store.put(PAYLOAD.key, BODY)
  const copied = await copyPayload(store, { payload: PAYLOAD }, TARGET)
  assert.deepEqual(copied, { ...PAYLOAD, key: TARGET })
  assert.deepEqual(await store.get(TARGET), BODY)
  assert.deepEqual(await copyPayload(store, { payload: PAYLOAD }, TARGET), copied)
})

test('a damaged payload is not copied, and other bytes under the target key are reported', async () => {
  const store = createMemoryStore()
  const damaged = new Uint8Array(BODY)
  damaged[BODY.length - 1] = damaged[BODY.length - 1]! ^ 1
  await store.put(PAYLOAD.key, damaged)
  await assert.rejects(copyPayload(store, { payload: PAYLOAD }, TARGET), { code: 'RecordDamaged' })
  assert.equal(await store.size(TARGET), undefined)
  await store.put(TARGET, damaged)
  await assert.rejects(copyPayload(store, { payload: PAYLOAD, bytes: BODY }, TARGET), {
    code: 'RecordDamaged',
  })
})
