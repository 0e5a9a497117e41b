// `spec.resumeFrom` of jobs in a cluster: coordinators and workers as programs over S3, NATS and a real API server. The bytes of a run of
// all rounds, a source that nothing changes, and what the status says of a record that cannot be used.
import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { runPrefix } from '#protocol/names.ts'
import { CLIENTS, type ClusterRuns, NAMESPACE, openClusterRuns, type Started } from './cluster-runs.ts'
import { readJob } from './coordinator-job.ts'

const ROUNDS = 10
const HALF = 5

let runs: ClusterRuns
before(async () => {
  runs = await openClusterRuns()
})
after(() => runs?.close())

/** A job that exists, and the address of its record. */
interface Job {
  readonly name: string
  readonly uid: string
  /** As a user copies it from `kubectl fedsam status`. */
  readonly prefix: string
  readonly folder: string
}

async function makeJob(name: string, rounds: number, more: object = {}): Promise<Job> {
  const uid = await runs.makeJob(name, 'fedsam', rounds, more)
  const key = runPrefix('', { namespace: NAMESPACE, name, uid })
  return { name, uid, prefix: `s3://fedsam/${key}`, folder: join(runs.folder, 's3/buckets/fedsam', key) }
}

async function begin({ name, uid }: Job): Promise<Started> {
  const coordinator = await runs.startCoordinator(name, uid)
  for (const client of CLIENTS) await runs.startWorker(name, uid, client)
  return coordinator
}

async function finish(job: Job, coordinator: Started): Promise<TrainingStatus> {
  assert.equal(await coordinator.ended, 0, coordinator.output())
  return (await readJob(runs.cluster, NAMESPACE, job.name)).status!.training!
}

/** Runs a job to its end. */
async function completed(name: string, rounds: number, more: object = {}): Promise<Job> {
  const job = await makeJob(name, rounds, more)
  const { state, message } = await finish(job, await begin(job))
  assert.equal(state, 'Complete', message)
  return job
}

const strategy = (type: string) => ({ strategy: { type, minFitClients: 2, minAvailableClients: 2 } })
const from = ({ prefix }: Pick<Job, 'prefix'>, round: number) => ({ resumeFrom: { prefix, round } })
const modelOf = async ({ folder }: Job): Promise<string> =>
  sha256(await readFile(join(folder, 'output', 'model.safetensors')))

/** Every object with its size, its time of change and its digest. */
async function pictureOf({ folder }: Job): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort()
  return Promise.all(
    names.map(async (name) => {
      const found = await stat(join(folder, name))
      const digest = found.isFile() ? sha256(await readFile(join(folder, name))) : ''
      return `${name} ${found.size} ${found.mtimeMs} ${digest}`
    }),
  )
}

describe('five rounds, and five more from their record, have the bytes of ten rounds', () => {
  for (const type of ['FedAvg', 'FedAdam']) {
    test(`${type}, with a source that nothing changes`, async () => {
      const called = type.toLowerCase()
      const [whole, half] = await Promise.all([
        completed(`whole-${called}`, ROUNDS, strategy(type)),
        completed(`half-${called}`, HALF, strategy(type)),
      ])
      const before = await pictureOf(half)
      const rest = await completed(`rest-${called}`, ROUNDS, { ...strategy(type), ...from(half, HALF) })
      assert.equal(await modelOf(rest), await modelOf(whole))
      assert.deepEqual(await pictureOf(half), before)
      const training = (await readJob(runs.cluster, NAMESPACE, rest.name)).status!.training!
      assert.deepEqual(
        training.rounds?.map(({ round }) => round),
        [6, 7, 8, 9, 10],
      )
    })
  }
})

test('a job that failed is gone on from in a new one, as its condition says', async () => {
  const failed = await makeJob('failed', 2, { evaluation: { bestBy: { metric: 'dice' } } })
  const { state, reason } = await finish(failed, await begin(failed))
  assert.deepEqual({ state, reason }, { state: 'Failed', reason: 'MetricNotReported' })
  const again = await completed('again', 2, from(failed, 0))
  const plain = await completed('plain', 2)
  assert.equal(await modelOf(again), await modelOf(plain))
})

test('a record that is not there, or whose round is not finished yet, is waited for, and the job begins by itself', async () => {
  const source = await makeJob('source', 2)
  const job = await makeJob('waiting', 4, from(source, 2))
  const coordinator = await begin(job)
  const waits = (message: RegExp) =>
    runs.until(
      job.name,
      (training) => training.reason === 'RecordUnavailable' && message.test(training.message ?? ''),
      coordinator.output,
    )
  const missing = await waits(/resumeFrom\.prefix: s3:\/\/\S+ holds no run; name the/)
  assert.deepEqual({ state: missing.state, round: missing.round }, { state: 'Waiting', round: 0 })
  const other = await runs.startCoordinator(source.name, source.uid)
  await waits(/resumeFrom\.round: s3:\/\/\S+ has no finished round/)
  for (const client of CLIENTS) await runs.startWorker(source.name, source.uid, client)
  await finish(source, other)
  const { state, round } = await finish(job, coordinator)
  assert.deepEqual({ state, round }, { state: 'Complete', round: 4 })
})

describe('a record that can never be used fails the job, which says what to do', () => {
  /** The end of a job that no worker takes part in. */
  const failsWith = async (name: string, more: object): Promise<TrainingStatus> => {
    const job = await makeJob(name, ROUNDS, more)
    const training = await finish(job, await runs.startCoordinator(name, job.uid))
    assert.equal(training.state, 'Failed')
    assert.deepEqual(await readdir(job.folder).catch(() => []), [], 'nothing was written')
    return training
  }

  test('a chain that was changed, a model that retention deleted, a folder', async () => {
    const source = await completed('unusable', 4)
    const retired = await failsWith('retired', from(source, 1))
    assert.equal(retired.reason, 'BadRecord')
    assert.match(
      retired.message!,
      /no longer holds the model of round 1; name a round whose model \S+ \S+: 4, 3/,
    )
    const folder = await failsWith('folder', { resumeFrom: { prefix: 'runs/one', round: 1 } })
    assert.equal(folder.reason, 'BadConfiguration')
    assert.match(folder.message!, /runs\/one is a folder.*; name the record as s3:\/\/bucket\/prefix/)
    const result = join(source.folder, 'rounds/2/result.json')
    await writeFile(result, (await readFile(result, 'utf8')).replace(/"previous":"../, '"previous":"00'))
    const damaged = await failsWith('damaged', from(source, 4))
    assert.equal(damaged.reason, 'BadRecord')
    assert.match(damaged.message!, /is damaged: rounds\/2\/result\.json does not follow/)
  })
})
