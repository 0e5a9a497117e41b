// A whole job in processes of their own: the coordinator and every worker as programs, over a real nats-server and a real S3
// server on this machine. What ends is started again, as a cluster would. The output bundle is copied out at the end.
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CoordinatorFile } from '#coordinator/main.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { startNats, startS3 } from '#scripts/servers.ts'
import type { LocalRun } from './local.ts'
import { supervise } from './supervise.ts'
import { trainerCommand } from './trainer-command.ts'

const COORDINATOR = fileURLToPath(new URL('../../coordinator/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('../../worker/main.ts', import.meta.url))
const BUCKET = 'fedsam'

/** Where the record of a run in processes lies, below its output. */
export function processRecord(output: string): string {
  return join(output, 'servers', 's3', 'buckets', BUCKET)
}

/** Runs the job to its end. Throws RunFailed, Interrupted. */
export async function runInProcesses(run: LocalRun): Promise<void> {
  const { job, output, signal } = run
  const servers = join(output, 'servers')
  await mkdir(servers, { recursive: true })
  const progress = (line: string): void => run.log('servers', line)
  const nats = await startNats({ folder: join(servers, 'nats'), log: progress })
  const s3 = await startS3({ folder: join(servers, 's3'), bucket: BUCKET, log: progress })
  const over = new AbortController()
  const stop = AbortSignal.any([signal, over.signal])
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined)) as Record<string, string>
  const common = { ...inherited, FEDSAM_NATS_URL: nats.url, FEDSAM_END_WITH_PARENT: 'true' }
  try {
    const file = join(servers, 'coordinator.json')
    const pace = { holdSeconds: 2, farewellSeconds: 10 }
    await writeFile(file, JSON.stringify({ job, files: run.files, pace } satisfies CoordinatorFile))
    const workers = job.spec.partitions.map(async ({ name }) => {
      const scratch = join(output, 'scratch', name)
      const trainer = trainerCommand(run, name, scratch)
      await supervise({
        name,
        command: [process.execPath, WORKER],
        env: {
          ...common,
          FEDSAM_CLIENT: name,
          FEDSAM_SUBJECTS: subjectPrefix(job.namespace, job.uid),
          FEDSAM_SCRATCH: scratch,
          FEDSAM_TRAINER: JSON.stringify(trainer),
          FEDSAM_NO_PROGRESS_SECONDS: String(job.spec.round.noProgressSeconds),
        },
        onLine: (line) => run.log(name, line),
        log: (line) => run.log(name, line),
        signal: stop,
      })
    })
    const failure = await coordinateInProcess(run, {
      ...common,
      FEDSAM_JOB_FILE: file,
      FEDSAM_S3_BUCKET: s3.bucket,
      FEDSAM_S3_ENDPOINT: s3.endpoint,
      FEDSAM_S3_FORCE_PATH_STYLE: 'true',
      AWS_ACCESS_KEY_ID: s3.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.secretKey,
      AWS_REGION: 'us-east-1',
    })
    over.abort()
    await Promise.all(workers)
    if (failure !== undefined) throw new FedsamError('RunFailed', failure)
    await copyOutput(output)
  } finally {
    over.abort()
    await Promise.all([nats.stop(), s3.stop()])
  }
}

/** Resolves to the message of a run that failed. */
async function coordinateInProcess(run: LocalRun, env: Readonly<Record<string, string>>): Promise<string | undefined> {
  let failure: string | undefined
  await supervise({
    name: 'coordinator',
    command: [process.execPath, COORDINATOR],
    env,
    onLine: (line) => {
      const event = readEvent(line)
      if (event === undefined) run.log('coordinator', line)
      else {
        if (event.event === 'RunFailed') failure = event.message
        run.observe(event)
      }
    },
    log: (line) => run.log('coordinator', line),
    signal: run.signal,
  })
  if (run.signal.aborted) {
    throw new FedsamError('Interrupted', 'the run was asked to stop', { remedy: 'start it again: it goes on from its record' })
  }
  return failure
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
  await mkdir(join(output, 'output'), { recursive: true })
  for (const name of await readdir(from)) await copyFile(join(from, name), join(output, 'output', name))
}
