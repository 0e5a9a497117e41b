// The S3 store and granted transfers with a faulty service: retries, their bound, and clear errors.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { type S3Fault, type S3Service, startFaultyS3 } from '#test/faults/s3-service.ts'
import { createGrantedTransfers } from '../../grants/transfers.ts'
import type { ObjectStore } from '../../ports.ts'
import { openS3Store } from './store.ts'

const BODY = new Uint8Array(300_000).map((_, at) => at % 251)
const TERMS = { size: BODY.byteLength, sha256: sha256(BODY) }
const busy: S3Fault = { kind: 'Answer', status: 503, code: 'SlowDown' }
const conflict: S3Fault = { kind: 'Answer', status: 409, code: 'ConditionalRequestConflict' }

/** A store of three attempts whose service has the given faults, one a request, and none afterwards. */
async function against(
  faults: readonly (S3Fault | undefined)[],
  check: (store: ObjectStore, service: S3Service) => Promise<void>,
): Promise<void> {
  const service = await startFaultyS3((index) => faults[index])
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
  const store = openS3Store({
    bucket: 'bucket',
    prefix: 'p',
    endpoint: service.endpoint,
    credentials,
    attempts: 3,
  })
  await check(store, service).finally(async () => {
    await store.close()
    await service.close()
  })
}

test('requests to a busy service, and on broken connections, are retried', async () => {
  await against([busy, { kind: 'HangUp' }], async (store, service) => {
    assert.equal(await store.put('a', BODY), 'Created')
    assert.deepEqual(service.asked, Array(3).fill('PUT /bucket/p/a'))
  })
})

test('a write waits for another conditional write of its key', async () => {
  await against([conflict, conflict, conflict, conflict], async (store) => {
    assert.equal(await store.put('a', BODY), 'Created')
  })
})

test('the retry of a write whose answer was lost finds its object', async () => {
  await against([{ kind: 'ForgetAnswer' }], async (store) => {
    assert.equal(await store.put('a', BODY), 'Exists')
    assert.deepEqual(await store.get('a'), BODY)
  })
})

test('a write that ends in a reset connection reports the object, if one exists', async () => {
  const reset: S3Fault = { kind: 'ResetUnread' }
  await against([undefined, reset, reset, reset], async (store, service) => {
    assert.equal(await store.put('a', BODY), 'Created')
    assert.equal(await store.put('a', new Uint8Array(9_000_000)), 'Exists')
    assert.deepEqual(service.asked.slice(1), [...Array(3).fill('PUT /bucket/p/a'), 'HEAD /bucket/p/a'])
    assert.deepEqual(await store.get('a'), BODY)
  })
  await against([reset, reset, reset], async (store) => {
    await assert.rejects(store.put('a', BODY), { code: 'StorageUnreachable' })
    assert.equal(await store.size('a'), undefined)
  })
})

test('a body that breaks off is requested again, and never taken for the object', async () => {
  await against([undefined, { kind: 'BreakBody' }, { kind: 'BreakBody' }], async (store) => {
    await store.put('a', BODY)
    assert.deepEqual(await store.get('a'), BODY)
  })
  await against([undefined, ...Array(3).fill({ kind: 'BreakBody' })], async (store) => {
    await store.put('a', BODY)
    await assert.rejects(store.get('a'), { code: 'StorageUnreachable', message: /broke/ })
  })
})

test('attempts are bounded, and the error says what to do', async () => {
  await against(Array(9).fill(busy), async (store, service) => {
    await assert.rejects(store.put('a', BODY), {
      code: 'StorageUnreachable',
      message: /s3:\/\/bucket\/p: SlowDown/,
    })
    assert.equal(service.asked.length, 3)
  })
  const forbidden: S3Fault = { kind: 'Answer', status: 403, code: 'AccessDenied' }
  await against([forbidden], async (store) => {
    await assert.rejects(store.get('a'), { code: 'StorageUnreachable', remedy: /check the credentials/ })
  })
  const bucketless: S3Fault = { kind: 'Answer', status: 404, code: 'NoSuchBucket' }
  await against([bucketless], async (store) => {
    await assert.rejects(store.get('a'), { code: 'StorageUnreachable', remedy: /create the bucket/ })
  })
})

test('an endpoint without a listener is unreachable', async () => {
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
  const store = openS3Store({
    bucket: 'b',
    prefix: '',
    endpoint: 'http://127.0.0.1:9',
    credentials,
    attempts: 2,
  })
  await assert.rejects(store.get('a'), { code: 'StorageUnreachable', remedy: /endpoint/ })
  await store.close()
})

test('granted transfers are retried too', async () => {
  const transfers = createGrantedTransfers({ attempts: 3 })
  await against([busy, { kind: 'HangUp' }, undefined, { kind: 'BreakBody' }, busy], async (store) => {
    assert.equal(await transfers.write(await store.grantWrite('a', TERMS, 60), BODY), 'Created')
    assert.deepEqual(await transfers.read(await store.grantRead('a', 60)), BODY)
  })
  await against(Array(9).fill({ kind: 'HangUp' }), async (store, service) => {
    const grant = await store.grantWrite('a', TERMS, 60)
    await assert.rejects(transfers.write(grant, BODY), { code: 'StorageUnreachable' })
    assert.equal(service.asked.length, 3)
  })
})

test('a download that breaks off resumes there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-download-'))
  const file = join(folder, 'body')
  await against([undefined, { kind: 'BreakBody' }], async (store, service) => {
    await store.put('a', BODY)
    const transfers = createGrantedTransfers({ attempts: 3 })
    assert.deepEqual(await transfers.download(await store.grantRead('a', 60), file), TERMS)
    assert.deepEqual(new Uint8Array(await readFile(file)), BODY)
    assert.equal(service.asked.length, 3)
  }).finally(() => rm(folder, { recursive: true }))
})

test('the older name of this module still loads it: scripts of bug reports import that name', async () => {
  const older = await import('#transport/s3.ts')
  assert.equal(older.openS3Store, openS3Store)
})
