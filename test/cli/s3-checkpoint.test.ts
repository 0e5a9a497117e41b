// A base checkpoint from s3://bucket/prefix, on a real S3 server, by the environment's credentials.
import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type S3Server, startS3 } from '#cli/run/servers/servers.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { startFedsam } from './fedsam.ts'
import { makeSamJob } from './sam-job.ts'

let dir = ''
let server: S3Server
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-s3-checkpoint-'))
  await makeSamJob(dir)
  server = await startS3({ folder: join(dir, 's3'), bucket: 'models' })
  const { bucket, endpoint, accessKey: accessKeyId, secretKey: secretAccessKey } = server
  const store = openS3Store({
    bucket,
    prefix: 'tiny',
    endpoint,
    credentials: { accessKeyId, secretAccessKey },
  })
  for (const name of await readdir(join(dir, 'sam'))) {
    const file = join(dir, 'sam', name)
    await store.write(name, (await stat(file)).size, createReadStream(file))
  }
  await store.close()
})
after(async () => {
  await server?.stop()
  await rm(dir, { recursive: true, force: true })
})

const withS3 = (): Record<string, string> => ({
  AWS_ENDPOINT_URL_S3: server.endpoint,
  AWS_ACCESS_KEY_ID: server.accessKey,
  AWS_SECRET_ACCESS_KEY: server.secretKey,
  AWS_REGION: 'us-east-1',
})

test('a job may name s3://bucket/prefix', async () => {
  const set = ['--set', 'trainer.segmentAnything.checkpoint.uri=s3://models/tiny']
  const { code, stdout, stderr } = await startFedsam(dir, ['plan', 'job.yaml', '--json', ...set], {
    env: withS3(),
  })
  assert.equal(code, 0, stderr)
  assert.equal(JSON.parse(stdout).plan.tensors, 96)
})

test('a prefix without a checkpoint is named', async () => {
  const set = ['--set', 'trainer.segmentAnything.checkpoint.uri=s3://models/nothing']
  const { code, stderr } = await startFedsam(dir, ['plan', 'job.yaml', ...set], { env: withS3() })
  assert.equal(code, 2)
  assert.match(stderr, /s3:\/\/models\/nothing\/model\.safetensors is missing/)
})
