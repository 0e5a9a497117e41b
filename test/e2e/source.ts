// A partition whose data is under a prefix of a bucket, with keys of its own, beside two with claims. Missing and wrong keys are said;
// once they are right the trainer has the same bytes, so the model is that of `fedsam run` over the folders.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { brainTissue, type JobObject } from './jobs.ts'
import { modelInBucket, modelOfLocalRun } from './models.ts'
import { BUCKET, type Stage, secretOf, until } from './stage.ts'

const NAME = 'from-a-bucket'
const KEYS = 'axial-keys'
const PREFIX = 'hospitals/axial'
const DATA = 'examples/data/brain-tissue'

async function fromABucket(): Promise<JobObject> {
  const { spec, ...job } = structuredClone(await brainTissue())
  spec.rounds = 1
  spec.workers = {}
  // Its data comes late: no round may begin without it.
  spec.strategy = { minFitClients: 3, minAvailableClients: 3 }
  spec.partitions[0].source = { s3: { uri: `s3://${BUCKET}/${PREFIX}`, credentialsSecretName: KEYS } }
  return { ...job, metadata: { name: NAME }, spec }
}

/** Every file of a folder, by its path below it. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
}

async function upload(stage: Stage, folder: string, prefix: string): Promise<void> {
  const store = stage.bucket(prefix)
  for (const file of await filesOf(folder)) await store.put(file, await readFile(join(folder, file)))
  await store.close()
}

async function clear(stage: Stage, folder: string, prefix: string): Promise<void> {
  const store = stage.bucket(prefix)
  for (const file of await filesOf(folder)) await store.delete(file)
  await store.close()
}

async function untilSaid(stage: Stage, said: RegExp): Promise<void> {
  const { conditions } = await until(
    `a condition that says ${said}`,
    () => stage.status(NAME),
    ({ conditions }) => conditions?.some(({ message }) => said.test(message)) === true,
  )
  assert.equal(conditions?.find(({ type }) => type === 'Failed')?.status, 'False')
}

export function sourceScenario(stage: () => Stage): void {
  const keys = (secret: string): object => {
    const { AWS_ACCESS_KEY_ID } = stage().credentials
    return secretOf(KEYS, { AWS_ACCESS_KEY_ID: AWS_ACCESS_KEY_ID!, AWS_SECRET_ACCESS_KEY: secret })
  }

  // An object is written only if it is absent: what a failed test left would stand in for what the next one brings.
  after(() => clear(stage(), `${DATA}/axial`, PREFIX))

  test('without the keys of its data a job says so by their name', async () => {
    await upload(stage(), 'examples/models/sam-tiny-scenes', 'models/sam-tiny-scenes')
    await upload(stage(), `${DATA}/axial`, PREFIX)
    for (const site of ['coronal', 'sagittal']) await stage().claim(site, `${DATA}/${site}`)
    await stage().apply(await fromABucket())
    await untilSaid(stage(), /axial: .*axial-keys/)
  })

  test('with wrong ones it says where they are refused', async () => {
    await stage().apply(keys('wrong'))
    await untilSaid(stage(), /axial: .*s3:\/\/fedsam\/hospitals\/axial/)
  })

  test('with the right ones it has the model of the folders', async () => {
    await stage().apply(keys(stage().credentials.AWS_SECRET_ACCESS_KEY!))
    await stage().complete(NAME)
    const local = await modelOfLocalRun(
      'examples/brain-tissue.yaml',
      'spec.rounds=1',
      'spec.trainer.segmentAnything.backend=TensorFlow',
    )
    assert.equal(await modelInBucket(stage(), NAME), local)
    await stage().kubectl(['delete', 'fj', NAME, '--timeout=60s'])
    await stage().kubectl(['delete', 'secret', KEYS])
  })
}
