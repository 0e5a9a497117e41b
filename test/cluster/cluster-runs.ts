// Runs of coordinator/main.ts and worker/main.ts as programs, with a real API server, nats-server and S3 server: what the operator and the
// kubelet would start, a test starts here. Workers show tokens of the API server.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NatsServer, type S3Server, startS3 } from '#cli/run/servers/servers.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { audienceOf, COORDINATOR as COORDINATOR_MEMBER, type Member } from '#protocol/identity.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { coordinatorName, runPrefix, workerName } from '#protocol/names.ts'
import { TRUST } from '../given/signed.ts'
import { untilSeen } from '../until.ts'
import { certifyJobs } from './certifier.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { accountToken, coordinatorToken, createJob, readJob } from './coordinator-job.ts'
import { type RunningGate, startGatedNats } from './gate-process.ts'

const COORDINATOR = fileURLToPath(new URL('../../coordinator/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('../../worker/main.ts', import.meta.url))
const TRAINER = fileURLToPath(new URL('../trainers/quadratic-main.ts', import.meta.url))
export const NAMESPACE = 'team-a'
export const CLIENTS = ['a', 'b']

/** A program that runs, and its end. */
export interface Started {
  readonly child: ChildProcess
  /** Exit code, once it ended. */
  readonly ended: Promise<number | null>
  output(): string
}

export interface ClusterRuns {
  readonly cluster: Cluster
  readonly gate: RunningGate
  readonly s3: S3Server
  readonly folder: string
  /** Creates the job and the accounts of its workers; resolves to its uid. */
  makeJob(name: string, bucket?: string, rounds?: number, more?: object): Promise<string>
  /** `change`: variables other than those that the operator gives the pod (operator/reconcile/pods/coordinator-pod.ts). */
  startCoordinator(name: string, uid: string, change?: Record<string, string>): Promise<Started>
  startWorker(name: string, uid: string, client: string, options?: WorkerOptions): Promise<Started>
  /** Resolves with the status that the coordinator wrote, once it is so. */
  until(
    name: string,
    holds: (training: TrainingStatus) => boolean,
    output: () => string,
  ): Promise<TrainingStatus>
  /** Certifies no coordinator while `body` runs. */
  withoutCertifier<T>(body: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

export interface WorkerOptions {
  /** Whose token it shows; its own unless given. */
  readonly member?: Member
  readonly env?: Record<string, string>
}

export async function openClusterRuns(): Promise<ClusterRuns> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-cluster-runs-'))
  const cluster = await startCluster()
  const gated = await startGatedNats(cluster, folder)
  const { nats } = gated
  const gate = await gated.startGate()
  const s3 = await startS3({ folder: join(folder, 's3'), bucket: 'fedsam' })
  const running: ChildProcess[] = []
  let stopCertifying = certifyJobs(cluster, NAMESPACE)
  const start = (file: string, env: Readonly<Record<string, string>>): Started => {
    const started = startProgram(file, env)
    running.push(started.child)
    return started
  }
  return {
    ...{ cluster, gate, s3, folder },
    async makeJob(name, bucket = 'fedsam', rounds = 2, more = {}) {
      const spec = { ...specOf({ nats, s3, bucket, rounds }), ...more }
      const { metadata } = await createJob(cluster, NAMESPACE, name, spec)
      for (const client of CLIENTS)
        await cluster.server.kubectl(['create', 'serviceaccount', workerName(name, client), '-n', NAMESPACE])
      return metadata.uid
    },
    async startCoordinator(name, uid, change = {}) {
      const account = join(folder, `account-${name}`)
      await mkdir(account, { recursive: true })
      await writeFile(join(account, 'token'), await coordinatorToken(cluster, NAMESPACE, name))
      await writeFile(join(account, 'ca.crt'), cluster.server.ca)
      const token = join(account, 'bus-token')
      const audience = audienceOf(uid, COORDINATOR_MEMBER)
      await writeFile(token, await accountToken(cluster.server, NAMESPACE, coordinatorName(name), audience))
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
        FEDSAM_TOKEN_FILE: token,
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
    },
    async startWorker(name, uid, client, { member, env = {} } = {}) {
      const scratch = join(folder, `${name}-${client}`)
      const token = `${scratch}.token`
      const account = workerName(name, client)
      await writeFile(
        token,
        await accountToken(
          cluster.server,
          NAMESPACE,
          account,
          audienceOf(uid, member ?? { role: 'client', client }),
        ),
      )
      return start(WORKER, {
        FEDSAM_NATS_URL: nats.url,
        FEDSAM_CLIENT: client,
        FEDSAM_SUBJECTS: subjectPrefix(NAMESPACE, uid),
        FEDSAM_SCRATCH: scratch,
        FEDSAM_TOKEN_FILE: token,
        FEDSAM_TRUST: TRUST.join(','),
        FEDSAM_STORES: `${s3.endpoint}/`,
        FEDSAM_KEY_FILE: `${scratch}.key`,
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
    },
    async until(name, holds, output) {
      let last: TrainingStatus | undefined
      const training = await untilSeen(
        `the status of ${name} is like ${holds}`,
        async () => (await readJob(cluster, NAMESPACE, name)).status?.training,
        (seen) => {
          last = seen
          return seen !== undefined && holds(seen)
        },
        { instead: () => `${JSON.stringify(last)}\n${output()}` },
      )
      return training!
    },
    async withoutCertifier(body) {
      await stopCertifying()
      try {
        return await body()
      } finally {
        stopCertifying = certifyJobs(cluster, NAMESPACE)
      }
    },
    async close() {
      await stopCertifying()
      for (const child of [gate.child, ...running]) child.kill('SIGKILL')
      await nats.stop()
      await s3.stop()
      await cluster.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function startProgram(file: string, env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, [file], { env: { PATH: process.env.PATH!, ...env } })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, ended, output: () => text }
}

interface SpecPlaces {
  readonly nats: NatsServer
  readonly s3: S3Server
  readonly bucket: string
  readonly rounds: number
}

const specOf = ({ nats, s3, bucket, rounds }: SpecPlaces) => ({
  rounds,
  strategy: { type: 'FedAvg', minFitClients: 2, minAvailableClients: 2 },
  round: { settleSeconds: 1 },
  trainer: { type: 'Command', command: { command: ['unused'] } },
  partitions: CLIENTS.map((name) => ({ name })),
  storage: { s3: { bucket, endpoint: s3.endpoint, credentialsSecretName: 'store' } },
  messaging: { nats: { url: nats.url } },
  allowInsecure: true,
})
