// What doctor says of the record that a job starts from.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type S3Server, startS3 } from '#cli/run/servers/servers.ts'
import { runFederation } from '#test/federation/federation.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { checkSourceRecord } from './source-record.ts'

let folder: string
let s3: S3Server
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-doctor-'))
  s3 = await startS3({ folder, bucket: 'models' })
})
after(async () => {
  await s3?.stop()
  await rm(folder, { recursive: true, force: true })
})

const storage = () => ({
  ...{ bucket: 'models', prefix: 'team/new/uid', endpoint: s3.endpoint, attempts: 1 },
  credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
})

test('a folder, which no pod has', async () => {
  const { verdict, says, remedy } = await checkSourceRecord(storage(), { prefix: 'runs/one', round: 1 })
  assert.deepEqual([verdict, remedy], ['Problem', 'name the record as s3://bucket/prefix'])
  assert.match(says, /runs\/one is a folder/)
})

test('a bucket without a run at that prefix, and then with one, by the address of its output too', async () => {
  const prefix = 's3://models/team/old/uid'
  await assert.rejects(checkSourceRecord(storage(), { prefix, round: 1 }), {
    code: 'RecordUnavailable',
    message: /s3:\/\/models\/team\/old\/uid holds no run/,
  })
  const store = openS3Store({ ...storage(), prefix: 'team/old/uid' })
  const clients = ['a', 'b']
  await runFederation({ clients, rounds: 1, size: 10, store })
  for (const address of [prefix, `${prefix}/output`]) {
    const found = await checkSourceRecord(storage(), { prefix: address, round: 1 })
    assert.deepEqual(found, {
      verdict: 'Ok',
      subject: 'resumeFrom',
      says: 's3://models/team/old/uid holds round 1 of run quadratic',
      remedy: '',
    })
  }
  await store.close()
})

test('a bucket that only pods reach: the way to it from here', async () => {
  const inside = { ...storage(), endpoint: 'http://minio.storage.svc:9000' }
  await assert.rejects(checkSourceRecord(inside, { prefix: 's3://models/team/old/uid', round: 1 }), {
    code: 'RecordUnavailable',
    message: /^spec\.resumeFrom\.prefix: s3:\/\/models\/team\/old\/uid: /,
    remedy: /kubectl -n storage port-forward svc\/minio 9000:9000/,
  })
})
