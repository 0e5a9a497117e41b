// A Flower client in an image of its own on the real node: Python, numpy, fedsam_client and the class, nothing else of ours. Its model has
// the bytes that `fedsam run` of the same sites has here, with the same numpy.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { sha256 } from '#protocol/digest.ts'
import { ROOT } from '../cli/fedsam.ts'
import { runExample } from '../flower/example.ts'
import { type JobObject, PLACES } from './jobs.ts'
import { modelInBucket } from './models.ts'
import { type Stage, TEAM, until } from './stage.ts'

const NAME = 'flower-numpy'
const FOLDER = `${ROOT}examples/flower-numpy`
const SITES = ['site-0', 'site-1', 'site-2']
const ALL = { type: 'FedAvg', minFitClients: SITES.length, minAvailableClients: SITES.length }

/** The example's job over three of its sites, with a claim each and its trainer in the image. */
async function numpyJob(image: string): Promise<JobObject> {
  const job = parse(await readFile(`${FOLDER}/job.yaml`, 'utf8')) as JobObject
  const { command } = job.spec.trainer
  return {
    ...job,
    spec: {
      ...job.spec,
      ...PLACES,
      strategy: ALL,
      trainer: { type: 'Command', command: { ...command, image } },
      partitions: SITES.map((site) => ({
        name: site,
        dataset: { root: '/data' },
        source: { persistentVolumeClaim: { claimName: site } },
      })),
    },
  }
}

async function modelOfTheSameHere(): Promise<string> {
  const output = await mkdtemp(join(tmpdir(), 'fedsam-e2e-numpy-'))
  const partitions = SITES.map((name) => ({ name, dataset: { root: `data/${name}` } }))
  const sets = { 'spec.strategy': ALL, 'spec.partitions': partitions }
  const args = Object.entries(sets).flatMap(([path, value]) => ['--set', `${path}=${JSON.stringify(value)}`])
  try {
    const ended = await runExample(join(output, 'run'), ...args)
    assert.equal(ended.code, 0, ended.stderr)
    return sha256(await readFile(join(output, 'run', 'output', 'model.safetensors')))
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}

export function numpyScenario(stage: () => Stage): void {
  test('it completes, with the model of the local run', async () => {
    const [image] = await stage().node.loadImages(['flower-numpy'])
    for (const site of SITES) await stage().claim(site, `${FOLDER}/data/${site}`)
    await stage().apply(await numpyJob(image!.reference))
    const { training } = await until(
      'all ten rounds are done',
      () => stage().status(NAME),
      ({ conditions }) =>
        conditions?.some(({ type, status }) => type === 'Complete' && status === 'True') === true,
      300,
    )
    assert.equal(training?.rounds?.length, 10)
    const local = await modelOfTheSameHere()
    assert.equal(await modelInBucket(stage(), NAME), local)
    assert.equal(training?.output?.digest, `sha256:${local}`)
    await stage().kubectl(['delete', 'fj', NAME, '--timeout=60s'])
    await stage().kubectl(['delete', 'persistentvolumeclaim', ...SITES])
    await stage().node.kubectl(['delete', 'persistentvolume', ...SITES.map((site) => `${TEAM}-${site}`)])
  })
}
