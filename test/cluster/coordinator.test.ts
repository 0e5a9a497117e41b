// coordinator/main.ts as a program with a real API server, nats-server and S3 server, and workers that show tokens of the API server:
// from a bucket that is missing to status Complete. What is not there yet is waited for, and named in the status.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type NatsServer, type S3Server, startNats, startS3 } from '#cli/run/servers/servers.ts'
import { sha256 } from '#protocol/digest.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { runPrefix, workerName } from '#protocol/names.ts'
import { untilSeen } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { accountToken, coordinatorToken, createJob, editJob, jobsPath, readJob } from './coordinator-job.ts'

const COORDINATOR = fileURLToPath(new URL('../../coordinator/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('../../worker/main.ts', import.meta.url))
const TRAINER = fileURLToPath(new URL('../trainers/quadratic-main.ts', import.meta.url))
const NAMESPACE = 'team-a'
const CLIENTS = ['a', 'b']

let cluster: Cluster
let nats: NatsServer
let s3: S3Server
let folder: string
const running: ChildProcess[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-coordinator-'))
  cluster = await startCluster()
  nats = await startNats({ folder: join(folder, 'nats') })
  s3 = await startS3({ folder: join(folder, 's3'), bucket: 'fedsam' })
})
after(async () => {
  for (const child of running) child.kill('SIGKILL')
  await nats?.stop()
  await s3?.stop()
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

interface Started {
  readonly child: ChildProcess
  /** Exit code, once it ended. */
  readonly ended: Promise<number | null>
  output(): string
}

function start(file: string, env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, [file], { env: { PATH: process.env.PATH!, ...env } })
  running.push(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, ended, output: () => text }
}

const spec = (bucket: string, rounds = 2) => ({
  rounds,
  strategy: { type: 'FedAvg', minFitClients: 2, minAvailableClients: 2 },
  round: { settleSeconds: 1 },
  trainer: { type: 'Command', command: { command: ['unused'] } },
  partitions: CLIENTS.map((name) => ({ name })),
  storage: { s3: { bucket, endpoint: s3.endpoint, credentialsSecretName: 'store' } },
  messaging: { nats: { url: nats.url } },
})

async function makeJob(name: string, bucket = 'fedsam', rounds = 2): Promise<string> {
  const { metadata } = await createJob(cluster, NAMESPACE, name, spec(bucket, rounds))
  for (const client of CLIENTS)
    await cluster.server.kubectl(['create', 'serviceaccount', workerName(name, client), '-n', NAMESPACE])
  return metadata.uid
}

/** What the operator gives the pod (operator/reconcile/pods/coordinator-pod.ts). */
async function startCoordinator(
  name: string,
  uid: string,
  change: Record<string, string> = {},
): Promise<Started> {
  const account = join(folder, `account-${name}`)
  await mkdir(account, { recursive: true })
  await writeFile(join(account, 'token'), await coordinatorToken(cluster, NAMESPACE, name))
  await writeFile(join(account, 'ca.crt'), cluster.server.ca)
  const { hostname, port } = new URL(cluster.server.url)
  return start(COORDINATOR, {
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    FEDSAM_SERVICE_ACCOUNT: account,
    FEDSAM_JOB_NAMESPACE: NAMESPACE,
    FEDSAM_JOB_NAME: name,
    FEDSAM_JOB_UID: uid,
    FEDSAM_METRICS_PORT: '0',
    FEDSAM_NATS_URL: nats.url,
    FEDSAM_S3_BUCKET: s3.bucket,
    FEDSAM_S3_PREFIX: runPrefix('', { namespace: NAMESPACE, name, uid }),
    FEDSAM_S3_ENDPOINT: s3.endpoint,
    FEDSAM_S3_FORCE_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: s3.secretKey,
    AWS_REGION: 'us-east-1',
    FEDSAM_TERMINATION_LOG: join(folder, 'termination'),
    ...change,
  })
}

async function startWorker(
  name: string,
  uid: string,
  client: string,
  { audience = `fedsam.dev/${uid}`, env = {} }: { audience?: string; env?: Record<string, string> } = {},
): Promise<Started> {
  const scratch = join(folder, `${name}-${client}`)
  const token = `${scratch}.token`
  await writeFile(token, await accountToken(cluster.server, NAMESPACE, workerName(name, client), audience))
  return start(WORKER, {
    FEDSAM_NATS_URL: nats.url,
    FEDSAM_CLIENT: client,
    FEDSAM_SUBJECTS: subjectPrefix(NAMESPACE, uid),
    FEDSAM_SCRATCH: scratch,
    FEDSAM_TOKEN_FILE: token,
    FEDSAM_TRAINER: JSON.stringify({
      command: [process.execPath, TRAINER, client, '500'],
      env: { PATH: process.env.PATH },
      cwd: folder,
    }),
    FEDSAM_ANSWER_SECONDS: '15',
    FEDSAM_NO_PROGRESS_SECONDS: '600',
    FEDSAM_TERMINATION_LOG: join(folder, 'termination'),
    ...env,
  })
}

/** Resolves with the status that the coordinator wrote, once it is so. */
async function until(
  name: string,
  holds: (training: TrainingStatus) => boolean,
  output: () => string,
): Promise<TrainingStatus> {
  const look = async () => (await readJob(cluster, NAMESPACE, name)).status?.training
  let last: TrainingStatus | undefined
  const training = await untilSeen(
    `the status of ${name} is like ${holds}`,
    look,
    (seen) => {
      last = seen
      return seen !== undefined && holds(seen)
    },
    { instead: () => `${JSON.stringify(last)}\n${output()}` },
  )
  return training!
}

describe('a coordinator in a cluster', () => {
  test('waits for its bucket, runs the rounds with clients that show who they are, and says Complete', async () => {
    const name = 'whole'
    const uid = await makeJob(name, 'later')
    const coordinator = await startCoordinator(name, uid, { FEDSAM_S3_BUCKET: 'later' })
    const workers = await Promise.all(CLIENTS.map((client) => startWorker(name, uid, client)))
    const missing = await until(name, ({ reason }) => reason === 'StorageMissing', coordinator.output)
    assert.equal(missing.state, 'Waiting')
    assert.match(missing.message!, /later.*create the bucket/s)
    await mkdir(join(folder, 's3', 'buckets', 'later'))
    assert.equal(await coordinator.ended, POD_EXITS.RunOver.code, coordinator.output())
    assert.deepEqual(await Promise.all(workers.map(({ ended }) => ended)), [0, 0])
    const training = (await readJob(cluster, NAMESPACE, name)).status!.training!
    const { state, epoch, round, attempt, rounds, clients, metrics, head, output, bytes } = training
    assert.deepEqual({ state, epoch, round, attempt }, { state: 'Complete', epoch: 1, round: 2, attempt: 1 })
    assert.deepEqual(
      rounds?.map((one) => [one.round, one.cohort, one.accepted, typeof one.metrics?.loss]),
      [
        [1, 2, 2, 'number'],
        [2, 2, 2, 'number'],
      ],
    )
    assert.equal(clients?.total, 2)
    assert.equal(typeof metrics?.loss, 'number')
    assert.match(head!, /^sha256:[0-9a-f]{64}$/)
    assert.ok(bytes!.received! > 0 && bytes!.sent! > 0)
    assert.equal(output?.uri, `s3://later/${NAMESPACE}/${name}/${uid}/output`)
    const model = join(folder, 's3/buckets/later', NAMESPACE, name, uid, 'output/model.safetensors')
    assert.equal(output?.digest, `sha256:${sha256(await readFile(model))}`)
  })

  test('refuses a worker whose token is for another run, and accepts it with the right token', async () => {
    const name = 'tokens'
    const uid = await makeJob(name)
    const coordinator = await startCoordinator(name, uid)
    const stranger = await startWorker(name, uid, 'b', { audience: 'fedsam.dev/another' })
    assert.equal(await stranger.ended, POD_EXITS.Refused.code, stranger.output())
    const refused = await until(
      name,
      ({ clients }) => clients?.absent?.some(({ outcome }) => outcome === 'Refused') === true,
      coordinator.output,
    )
    const told = refused.clients?.absent?.find(({ outcome }) => outcome === 'Refused')
    assert.equal(told?.name, 'b')
    assert.equal(told.reason, 'BadToken')
    for (const client of CLIENTS) await startWorker(name, uid, client)
    assert.equal(await coordinator.ended, 0, coordinator.output())
  })

  test('follows the spec: rounds that are raised while it waits are run', async () => {
    const name = 'raised'
    const uid = await makeJob(name, 'fedsam', 1)
    const coordinator = await startCoordinator(name, uid)
    await until(name, ({ reason }) => reason === 'NotEnoughClients', coordinator.output)
    await editJob(cluster, NAMESPACE, name, { spec: { rounds: 3 } })
    for (const client of CLIENTS) await startWorker(name, uid, client)
    assert.equal(await coordinator.ended, 0, coordinator.output())
    assert.equal((await readJob(cluster, NAMESPACE, name)).status?.training?.round, 3)
  })

  test('waits for the bus and, in the middle of the run, for the store, and goes on by itself', async () => {
    const name = 'cured'
    const [busFolder, storeFolder] = [join(folder, 'nats-away'), join(folder, 's3-away')]
    const bus = await startNats({ folder: busFolder })
    await bus.stop()
    let store = await startS3({ folder: storeFolder, bucket: 'fedsam' })
    const uid = await makeJob(name)
    const coordinator = await startCoordinator(name, uid, {
      FEDSAM_NATS_URL: bus.url,
      FEDSAM_S3_ENDPOINT: store.endpoint,
      AWS_SECRET_ACCESS_KEY: store.secretKey,
    })
    const away = await until(name, ({ reason }) => reason === 'MessagingUnreachable', coordinator.output)
    assert.match(away.message!, /check that the NATS server runs/)
    const back = await startNats({ folder: busFolder, port: bus.port })
    try {
      await until(name, ({ reason }) => reason === 'NotEnoughClients', coordinator.output)
      await store.stop()
      const env = { FEDSAM_NATS_URL: bus.url }
      for (const client of CLIENTS) await startWorker(name, uid, client, { env })
      await until(name, ({ reason }) => reason === 'StorageUnreachable', coordinator.output)
      store = await startS3({ folder: storeFolder, bucket: 'fedsam', port: store.port })
      assert.equal(await coordinator.ended, POD_EXITS.RunOver.code, coordinator.output())
      const { state, epoch, round } = (await readJob(cluster, NAMESPACE, name)).status!.training!
      assert.deepEqual({ state, epoch, round }, { state: 'Complete', epoch: 2, round: 2 })
    } finally {
      await back.stop()
      await store.stop()
    }
  })

  test('ends when its job is deleted', async () => {
    const name = 'deleted'
    const uid = await makeJob(name)
    const coordinator = await startCoordinator(name, uid)
    await until(name, ({ state }) => state === 'Waiting', coordinator.output)
    await cluster.client.call({ method: 'DELETE', path: `${jobsPath(NAMESPACE)}/${name}` })
    assert.equal(await coordinator.ended, POD_EXITS.Superseded.code, coordinator.output())
  })

  test('ends as asked on SIGTERM, and the next one continues with the next epoch', async () => {
    const name = 'stopped'
    const uid = await makeJob(name)
    const first = await startCoordinator(name, uid)
    await until(name, ({ reason }) => reason === 'NotEnoughClients', first.output)
    first.child.kill('SIGTERM')
    assert.equal(await first.ended, POD_EXITS.AskedToStop.code, first.output())
    const second = await startCoordinator(name, uid)
    const training = await until(name, ({ epoch }) => epoch === 2, second.output)
    assert.equal(training.uid, uid)
    second.child.kill('SIGTERM')
    await second.ended
  })

  test('says Failed, and why, where trying again would not help, and its Job is complete', async () => {
    const name = 'hopeless'
    const uid = await makeJob(name)
    const coordinator = await startCoordinator(name, uid, { FEDSAM_S3_BUCKET: '', FEDSAM_NATS_URL: '' })
    assert.equal(await coordinator.ended, POD_EXITS.RunOver.code, coordinator.output())
    const { state, reason, message } = (await readJob(cluster, NAMESPACE, name)).status!.training!
    assert.deepEqual({ state, reason }, { state: 'Failed', reason: 'BadConfiguration' })
    assert.match(message!, /FEDSAM_S3_BUCKET is missing; FEDSAM_NATS_URL is missing/)
    // A Job that starts it again finds that all is said.
    const again = await startCoordinator(name, uid)
    assert.equal(await again.ended, POD_EXITS.RunOver.code, again.output())
  })
})
