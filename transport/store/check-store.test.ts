// The check accepts each of our stores, leaves no object, and refuses services without the guarantees.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type S3Fault, startFaultyS3 } from '#test/faults/s3-service.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import type { ObjectStore } from '../ports.ts'
import { checkGuarantees } from './check-store.ts'
import { openS3Store } from './s3/store.ts'

const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }

async function withFaultyS3(
  fault: S3Fault | undefined,
  check: (store: ObjectStore) => Promise<void>,
): Promise<string[]> {
  const service = await startFaultyS3(() => fault)
  const store = openS3Store({
    bucket: 'b',
    prefix: 'p',
    endpoint: service.endpoint,
    credentials,
    attempts: 1,
  })
  try {
    await check(store)
    return [...service.objects.keys()]
  } finally {
    await store.close()
    await service.close()
  }
}

test('a suitable store passes the check repeatedly, and no object remains', async () => {
  const left = await withFaultyS3(undefined, async (store) => {
    await Promise.all([checkGuarantees(store), checkGuarantees(store), checkGuarantees(store)])
  })
  assert.deepEqual(left, [])
})

test('a service that ignores If-None-Match is refused', async () => {
  const left = await withFaultyS3({ kind: 'IgnoreCondition' }, async (store) => {
    await assert.rejects(checkGuarantees(store), { code: 'StorageUnsuitable', message: /overwrites objects/ })
  })
  assert.deepEqual(left, [])
})

test('a service that ignores ranges is refused', async () => {
  await withFaultyS3({ kind: 'IgnoreRange' }, async (store) => {
    await assert.rejects(checkGuarantees(store), { code: 'StorageUnsuitable', message: /without its range/ })
  })
})

test('a service without conditional writes is refused', async () => {
  await withFaultyS3({ kind: 'Answer', status: 501, code: 'NotImplemented' }, async (store) => {
    await assert.rejects(checkGuarantees(store), { code: 'StorageUnsuitable' })
  })
})

test('a service that does not answer is unreachable, not unsuitable', async () => {
  await withFaultyS3({ kind: 'HangUp' }, async (store) => {
    await assert.rejects(checkGuarantees(store), { code: 'StorageUnreachable' })
  })
})

test('a store that answers Exists but overwrites is refused', async () => {
  const memory = createMemoryStore()
  const lying: ObjectStore = {
    ...memory,
    async put(key, body) {
      const found = (await memory.get(key)) !== undefined
      await memory.delete(key)
      await memory.put(key, body)
      return found ? 'Exists' : 'Created'
    },
  }
  await assert.rejects(checkGuarantees(lying), { code: 'StorageUnsuitable', message: /changed an object/ })
})

test('a store that answers a range with the whole object is refused', async () => {
  const memory = createMemoryStore()
  const deaf: ObjectStore = { ...memory, get: (key) => memory.get(key) }
  await assert.rejects(checkGuarantees(deaf), { code: 'StorageUnsuitable', message: /does not read ranges/ })
})
