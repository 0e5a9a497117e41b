// The files that a run starts from in a cluster: from a Hub, a real S3 server and a folder, with which credentials, and only once.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type S3Server, startS3 } from '#cli/run/servers/servers.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { completeSpec } from '#protocol/defaults.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { RUN_KEY, resultKey } from '#protocol/keys.ts'
import { hub } from '#test/given/hub.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { fetchCheckpoint } from '#transport/hugging-face/checkpoint.ts'
import { fetchS3Checkpoint, fetchS3File } from '#transport/store/s3/checkpoint.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { type FileSources, filesOf } from './checkpoint.ts'

let dir: string
let server: S3Server
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-begin-'))
  server = await startS3({ folder: join(dir, 's3'), bucket: 'models' })
  const store = openS3Store({ ...reached(), bucket: 'models', prefix: '' })
  for (const name of ['config.json', 'model.safetensors']) {
    await store.put(`sam/${name}`, new TextEncoder().encode(name))
  }
  await store.put('half/config.json', new Uint8Array(1))
  await store.put('start.safetensors', new Uint8Array(3))
  await store.close()
})
after(async () => {
  await server?.stop()
  await rm(dir, { recursive: true, force: true })
})

const keys = () => ({ accessKeyId: server.accessKey, secretAccessKey: server.secretKey })
const reached = () => ({ endpoint: server.endpoint, credentials: keys(), attempts: 1 })

function jobOf(uri: string, change: Partial<FederatedJobSpec> = {}) {
  const spec = completeSpec({
    trainer: { type: 'SegmentAnything', segmentAnything: { checkpoint: { uri } } },
    partitions: [{ name: 'a' }, { name: 'b' }],
    ...change,
  })
  return { name: 'brain', namespace: 'team-a', uid: '6f3a', generation: 1, spec }
}

const sources = (change: Partial<FileSources> = {}): FileSources => ({
  fetchS3Checkpoint,
  fetchS3File,
  fetchHubCheckpoint: fetchCheckpoint,
  storage: reached(),
  credentials: '',
  hub: {},
  log: () => {},
  temporary: dir,
  ...change,
})

/** A mounted Secret. */
async function secret(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(dir, name)
  await mkdir(folder, { recursive: true })
  for (const [key, value] of Object.entries(files)) await writeFile(join(folder, key), `${value}\n`)
  return folder
}

describe('a checkpoint', () => {
  test('of s3:// is fetched with the settings for the storage of the run', async () => {
    const { checkpoint } = await filesOf(jobOf('s3://models/sam'), createMemoryStore(), sources())
    assert.deepEqual((await readdir(checkpoint!)).sort(), ['config.json', 'model.safetensors'])
    assert.equal(await readFile(join(checkpoint!, 'config.json'), 'utf8'), 'config.json')
  })

  test('of s3:// with a Secret of its own is fetched with its keys and endpoint', async () => {
    const credentials = await secret('own', {
      AWS_ACCESS_KEY_ID: server.accessKey,
      AWS_SECRET_ACCESS_KEY: server.secretKey,
      AWS_ENDPOINT_URL_S3: server.endpoint,
    })
    const storage = { endpoint: 'http://127.0.0.1:1', attempts: 1 }
    const own = sources({ credentials, storage })
    const { checkpoint } = await filesOf(jobOf('s3://models/sam'), createMemoryStore(), own)
    assert.equal((await readdir(checkpoint!)).length, 2)
  })

  test('of hf:// is fetched with the token of its Secret', async (t) => {
    const { endpoint } = await hub(t, { private: true })
    const credentials = await secret('hub', { HF_TOKEN: 'secret' })
    const own = sources({ credentials, hub: { HF_ENDPOINT: endpoint } })
    const { checkpoint } = await filesOf(jobOf('hf://facebook/sam'), createMemoryStore(), own)
    assert.ok((await readdir(checkpoint!)).includes('model.safetensors'))
  })

  test('that the record has pinned is not fetched', async () => {
    const store = createMemoryStore()
    const base = { uri: 's3://gone/sam', digest: 'a'.repeat(64), files: [] }
    await store.put(
      RUN_KEY,
      encodeJson({ schema: 'fedsam.run/1', name: 'brain', uid: '6f3a', spec: {}, seed: 1, base }),
    )
    assert.equal((await filesOf(jobOf('s3://gone/sam'), store, sources())).checkpoint, '')
  })

  const missing: readonly [string, string, () => Promise<Partial<FileSources>>, RegExp][] = [
    ['whose bucket is not there', 's3://none/sam', async () => ({}), /NoSuchBucket/],
    [
      'whose objects are not there',
      's3://models/half',
      async () => ({}),
      /half\/model\.safetensors is missing/,
    ],
    [
      'that these credentials may not read',
      's3://models/sam',
      async () => ({ storage: { ...reached(), credentials: { ...keys(), secretAccessKey: 'wrong' } } }),
      /HTTP status 403/,
    ],
    [
      'out of reach',
      's3://models/sam',
      async () => ({ storage: { ...reached(), endpoint: 'http://127.0.0.1:1' } }),
      /ECONNREFUSED/,
    ],
    [
      'whose Secret lacks its keys',
      's3://models/sam',
      async () => ({ credentials: await secret('empty', {}) }),
      /has no key AWS_ACCESS_KEY_ID/,
    ],
    [
      'whose Secret names a store without TLS, which the job does not allow',
      's3://models/sam',
      async () => ({
        credentials: await secret('plain', {
          AWS_ACCESS_KEY_ID: server.accessKey,
          AWS_SECRET_ACCESS_KEY: server.secretKey,
          AWS_ENDPOINT_URL_S3: server.endpoint,
        }),
        storage: { requireTls: true },
      }),
      /has no TLS, and the job does not allow that/,
    ],
    [
      'on a Hub without TLS, which the job does not allow',
      'hf://facebook/other',
      async () => ({ hub: { HF_ENDPOINT: 'http://127.0.0.1:1' }, storage: { requireTls: true } }),
      /has no TLS, and the job does not allow that/,
    ],
    ['whose folder is not there', '/no/such/folder', async () => ({}), /no folder \/no\/such\/folder/],
  ]
  for (const [what, uri, change, message] of missing) {
    test(`${what} is CheckpointUnavailable`, async () => {
      const fetched = (await readdir(dir)).filter((name) => name.startsWith('fedsam-')).length
      const files = filesOf(jobOf(uri), createMemoryStore(), sources(await change()))
      await assert.rejects(files, { code: 'CheckpointUnavailable', message })
      assert.equal((await readdir(dir)).filter((name) => name.startsWith('fedsam-')).length, fetched)
    })
  }

  test('does not exist for a Command trainer', async () => {
    const job = jobOf('', { trainer: { type: 'Command', command: { command: ['x'] } } })
    assert.equal((await filesOf(job, createMemoryStore(), sources())).checkpoint, null)
  })
})

test('initial parameters of s3:// are fetched until the record has round 0', async () => {
  const job = jobOf(dir, { model: { initialParameters: 's3://models/start.safetensors' } })
  const store = createMemoryStore()
  const { initialParameters } = await filesOf(job, store, sources())
  assert.equal((await readFile(initialParameters)).length, 3)
  await store.put(resultKey(0), new Uint8Array(1))
  const again = await filesOf(
    job,
    store,
    sources({ storage: { ...reached(), endpoint: 'http://127.0.0.1:1' } }),
  )
  assert.equal(again.initialParameters, 's3://models/start.safetensors')
})
