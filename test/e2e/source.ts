// A partition whose data lies under a prefix of a bucket, with keys of its own, beside two with claims: the same bytes reach its trainer,
// so the model is that of `fedsam run` over the folders.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { brainTissue, type JobObject } from './jobs.ts'
import { modelInBucket, modelOfLocalRun } from './models.ts'
import { BUCKET, type Stage, secretOf } from './stage.ts'

const NAME = 'from-a-bucket'
const KEYS = 'axial-keys'
const PREFIX = 'hospitals/axial'
const DATA = 'examples/data/brain-tissue'

async function fromABucket(): Promise<JobObject> {
  const { spec, ...job } = structuredClone(await brainTissue())
  spec.rounds = 1
  spec.workers = {}
  spec.partitions[0].source = { s3: { uri: `s3://${BUCKET}/${PREFIX}`, credentialsSecretName: KEYS } }
  return { ...job, metadata: { name: NAME }, spec }
}

/** Every file of a folder, as keys below the prefix; resolves to the keys. */
async function upload(stage: Stage, folder: string, prefix: string): Promise<readonly string[]> {
  const store = stage.bucket(prefix)
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  )
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  for (const path of paths) await store.put(path.slice(folder.length + 1), await readFile(path))
  await store.close()
  return paths.map((path) => path.slice(folder.length + 1))
}

export function sourceScenario(stage: () => Stage): void {
  test('a job over a prefix and two claims has the model of the folders', async () => {
    await upload(stage(), 'examples/models/sam-tiny-scenes', 'models/sam-tiny-scenes')
    const keys = await upload(stage(), `${DATA}/axial`, PREFIX)
    for (const site of ['coronal', 'sagittal']) await stage().claim(site, `${DATA}/${site}`)
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = stage().credentials
    await stage().apply(
      secretOf(KEYS, {
        AWS_ACCESS_KEY_ID: AWS_ACCESS_KEY_ID!,
        AWS_SECRET_ACCESS_KEY: AWS_SECRET_ACCESS_KEY!,
      }),
      await fromABucket(),
    )
    await stage().kubectl(['wait', '--for=condition=Complete', `fj/${NAME}`, '--timeout=420s'])
    const local = await modelOfLocalRun(
      'examples/brain-tissue.yaml',
      'spec.rounds=1',
      'spec.trainer.segmentAnything.backend=TensorFlow',
    )
    assert.equal(await modelInBucket(stage(), NAME), local)
    await stage().kubectl(['delete', 'fj', NAME, '--timeout=60s'])
    await stage().kubectl(['delete', 'secret', KEYS])
    const store = stage().bucket(PREFIX)
    for (const key of keys) await store.delete(key)
    await store.close()
  })
}
