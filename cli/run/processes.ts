// Runs a whole job in separate processes: the coordinator and every worker as programs, with a real nats-server and a real S3
// server on this machine. It restarts a program that ends, as a cluster does, and copies the output bundle to the output folder
// at the end.
import { randomBytes } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CoordinatorFile } from '#coordinator/main.ts'
import { programCommand } from '#coordinator/settings/program-command.ts'
import {
  type BUS,
  COORDINATOR_PROCESS,
  type ENDING,
  environmentOf,
  WORKER_PROCESS,
  type Written,
} from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { SEED_BYTES, signingKeyOf } from '#protocol/signatures.ts'
import { setVariables } from '#runtime/environment.ts'
import { makeFolders } from '#runtime/folders.ts'
import { writePrivate } from '#runtime/private-file.ts'
import { type BusUsers, createBusUsers } from './bus-users.ts'
import type { LocalRun } from './local-run.ts'
import { BUCKET, processRecord } from './record-folder.ts'
import { type S3Server, startNats, startS3 } from './servers/servers.ts'
import { supervise } from './supervise.ts'
import { trainerCommand } from './trainer-command.ts'
import { type WorkerLossWatch, watchWorkerLoss } from './worker-loss.ts'

const COORDINATOR = fileURLToPath(new URL('../../coordinator/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('../../worker/main.ts', import.meta.url))
/** Shorter times than in a cluster, in seconds: progress shows sooner, and all parts are on one machine. */
const PACE = { holdSeconds: 1, farewellSeconds: 10 }
/** Longest wait for an answer, in seconds: a request to a killed coordinator is repeated after it. */
const ANSWER_SECONDS = 4

type Variables = Written<typeof ENDING & typeof BUS>
type Common = Omit<Variables, 'tokenFile'>

/** The key that certifies the coordinators of this start of the command. It is in the memory of processes only. */
interface Certifier {
  readonly seed: string
  readonly publicKey: string
}

function newCertifier(): Certifier {
  const seed = randomBytes(SEED_BYTES)
  return { seed: seed.toString('hex'), publicKey: signingKeyOf(seed).publicKey }
}

/** Runs the job to its end. Throws RunFailed, Interrupted. */
export async function runInProcesses(run: LocalRun): Promise<void> {
  const { output, signal } = run
  const servers = join(output, 'servers')
  await makeFolders(servers)
  const log = (line: string): void => run.log('servers', line)
  const users = await createBusUsers(join(servers, 'bus-users'), run.job)
  const nats = await startNats({ folder: join(servers, 'nats'), config: users.config, log })
  try {
    const s3 = await startS3({ folder: join(servers, 's3'), bucket: BUCKET, log })
    try {
      const over = new AbortController()
      const workerLoss = watchWorkerLoss(run)
      const common = commonValues(nats.url)
      const certifier = newCertifier()
      run.onCertifier?.(certifier.publicKey)
      const stop = AbortSignal.any([signal, over.signal])
      const workers = superviseWorkers(
        { ...run, signal: stop },
        {
          common: { ...common, trust: certifier.publicKey, stores: `${s3.endpoint}/${s3.bucket}/` },
          users,
          workerLoss,
        },
      )
      try {
        const { observe, signal } = workerLoss
        await coordinateInProcess(
          { ...run, observe, signal },
          await coordinatorVariables(
            run,
            { ...common, tokenFile: users.coordinator, certifierSeed: certifier.seed },
            { servers, s3 },
          ),
        )
      } catch (error) {
        throw workerLoss.explain(error)
      } finally {
        over.abort()
        await workers
      }
      await copyOutput(output)
    } finally {
      await s3.stop()
    }
  } finally {
    await nats.stop()
  }
}

/** Variables of both programs: they end with this process, and reach the same server. */
function commonValues(natsUrl: string): Common {
  const none = { natsCreds: undefined, natsCa: undefined, natsCert: undefined, natsKey: undefined }
  return { endWithParent: 'true', natsUrl, ...none }
}

async function coordinatorVariables(
  run: LocalRun,
  common: Variables & { readonly certifierSeed: string },
  { servers, s3 }: { readonly servers: string; readonly s3: S3Server },
): Promise<Record<string, string>> {
  const { job, files } = run
  const file = join(servers, 'coordinator.json')
  const program = programCommand(run)
  const own = program === undefined ? {} : { program }
  // A spec may contain secrets for trainers.
  await writePrivate(file, JSON.stringify({ job, files, pace: PACE, ...own } satisfies CoordinatorFile))
  return {
    ...setVariables(process.env),
    ...environmentOf(COORDINATOR_PROCESS, {
      ...common,
      jobFile: file,
      s3Bucket: s3.bucket,
      s3Prefix: undefined,
      s3Endpoint: s3.endpoint,
      // Every client is a process of this machine.
      s3PublicEndpoint: undefined,
      s3Region: undefined,
      s3ForcePathStyle: 'true',
      requireTls: undefined,
    }),
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: s3.secretKey,
    AWS_REGION: 'us-east-1',
  }
}

/** Resolves when all workers have ended. Rounds tolerate a worker that cannot continue: its reason is logged. */
async function superviseWorkers(
  run: LocalRun,
  {
    common,
    users,
    workerLoss,
  }: {
    readonly common: Common & { readonly trust: string; readonly stores: string }
    readonly users: BusUsers
    readonly workerLoss: WorkerLossWatch
  },
): Promise<void> {
  const { job, output, signal } = run
  const supervised = job.spec.partitions.map(async ({ name }) => {
    const log = (line: string): void => run.log(name, line)
    const scratch = join(output, 'scratch', name)
    const env = {
      ...setVariables(process.env),
      ...environmentOf(WORKER_PROCESS, {
        ...common,
        client: name,
        subjects: subjectPrefix(job.namespace, job.uid),
        scratch,
        noProgressSeconds: String(job.spec.round.noProgressSeconds),
        answerSeconds: String(ANSWER_SECONDS),
        tokenFile: users.clients.get(name),
        // Each start of a worker has a key of its own: none is kept in the output folder.
        keyFile: undefined,
        trainer: JSON.stringify(trainerCommand(run, name, scratch)),
      }),
    }
    await supervise({ name, command: [process.execPath, WORKER], env, onLine: log, log, signal }).catch(
      (error: Error) => {
        log(error.message)
        workerLoss.lost(name, error.message)
      },
    )
  })
  await Promise.all(supervised)
}

/** Runs the coordinator until the run is over. Throws RunFailed, Interrupted. */
async function coordinateInProcess(run: LocalRun, env: Readonly<Record<string, string>>): Promise<void> {
  const { signal } = run
  let failure: string | undefined
  let completed = false
  const log = (line: string): void => run.log('coordinator', line)
  const onLine = (line: string): void => {
    const event = readEvent(line)
    if (event?.event === 'RunFailed') failure = event.message
    if (event?.event === 'RunCompleted') completed = true
    if (event === undefined) log(line)
    else run.observe(event)
  }
  await supervise({
    name: 'the coordinator',
    command: [process.execPath, COORDINATOR],
    env,
    onLine,
    log,
    signal,
  })
  if (failure !== undefined) throw new FedsamError('RunFailed', failure, { remedy: '' })
  if (completed || !signal.aborted) return
  throw new FedsamError('Interrupted', 'the run was asked to stop', {
    remedy: 'start it again: it resumes from its record',
  })
}

function readEvent(line: string): RunEvent | undefined {
  if (!line.startsWith('{"event":')) return undefined
  try {
    return JSON.parse(line) as RunEvent
  } catch {
    return undefined
  }
}

async function copyOutput(output: string): Promise<void> {
  const from = join(processRecord(output), 'output')
  await cp(from, join(output, 'output'), { recursive: true })
}
