// The coordinator's program. Its job comes from a file (runs in processes on one machine) or is its FederatedJob (in a cluster).
// It uses S3 and NATS in both cases, and prints the run's events as JSON lines. It only chooses implementations and connects
// them.
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import { systemClock } from '#runtime/clock.ts'
import { createLimitedLog } from '#runtime/limited-log.ts'
import { serveProbes } from '#runtime/probe-server.ts'
import { runProgram } from '#runtime/run-program.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { fetchCheckpoint } from '#transport/hugging-face/checkpoint.ts'
import { openKubernetes, podAccess } from '#transport/kubernetes/api.ts'
import { openKubernetesJob } from '#transport/kubernetes/job.ts'
import type { CoordinatedJob } from '#transport/ports.ts'
import { boundedStore } from '#transport/store/bounded.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { recordAddress } from '#transport/store/s3/address.ts'
import { fetchS3Checkpoint, fetchS3File } from '#transport/store/s3/checkpoint.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { certifyBy } from './clients/local-certifier.ts'
import { coordinateJob } from './cluster-job.ts'
import { type JobOrigin, outputUri, readOrigin, readPlaces } from './environment.ts'
import { openMetrics } from './reporting/metrics.ts'
import { coordinate } from './run/run-from-record.ts'
import { compileFixed, compileLive, type LocalFiles } from './settings/from-spec.ts'
import { CLUSTER_PACE, DEFAULT_PACE, type Pace, type ProgramCommand } from './settings/settings.ts'
import { filesOf } from './start/checkpoint.ts'

/** The contents of a job file (JOB_FILE of protocol/environment.ts). */
export interface CoordinatorFile {
  readonly job: CoordinatedJob
  readonly files: LocalFiles
  readonly pace?: Partial<Pace>
  /** The program of a Program run. */
  readonly program?: ProgramCommand
}

const print = (event: RunEvent): void => void process.stdout.write(`${JSON.stringify(event)}\n`)
const log = (line: string): void => void process.stderr.write(`${line}\n`)
/** The log of faults of single messages. It is limited, because any sender on the bus can cause them. */
const logMessages = createLimitedLog(log, () => systemClock().now())
const onError = (error: unknown, subject = ''): void =>
  logMessages(`a message on ${subject}: ${String(error)}`)

await runProgram(process.env, (signal) => {
  const origin = readOrigin(process.env)
  return origin.kind === 'File' ? runFromFile(origin, signal) : runInCluster(origin, signal)
})

async function runFromFile(
  { file, certifier }: Extract<JobOrigin, { kind: 'File' }>,
  signal: AbortSignal,
): Promise<void> {
  const { job, files, pace, program } = JSON.parse(await readFile(file, 'utf8')) as CoordinatorFile
  const { s3, nats } = readPlaces(process.env, job)
  const store = openS3Store(s3)
  const bus = await connectNats({ ...nats, onError })
  const live = compileLive(job)
  try {
    await coordinate({
      store,
      bus,
      fixed: compileFixed(job, files, async (folder) =>
        boundedStore(await openFilesystemStore({ folder, strict: true })),
      ),
      live: () => live,
      clock: systemClock(),
      pace: { ...DEFAULT_PACE, ...pace },
      observe: print,
      certify: certifyBy(certifier, job),
      ...(program === undefined ? {} : { program }),
      log,
      signal,
    })
  } catch (error) {
    // A failed run has been reported, and a new coordinator would fail in the same way.
    if (!(error instanceof FedsamError && error.code === 'RunFailed')) throw error
  } finally {
    await bus.close()
    await store.close()
  }
}

async function runInCluster(
  { identity, metricsPort, account }: Extract<JobOrigin, { kind: 'Cluster' }>,
  signal: AbortSignal,
): Promise<void> {
  const clock = systemClock()
  const metrics = openMetrics(identity)
  let hindrance: string | undefined = 'the coordinator is starting'
  const probes = await serveProbes({
    port: metricsPort,
    alive: () => undefined,
    ready: () => hindrance,
    metrics,
    onError: (error) => log(`a probe received the answer 500: ${String(error)}`),
  })
  const client = openKubernetes(podAccess(process.env, account))
  try {
    const { source, sink } = await openKubernetesJob({ client, identity, clock, signal, log })
    const places = () => readPlaces(process.env, identity)
    const now = (): number => Date.now()
    await coordinateJob({
      source,
      sink,
      openStore: () => openS3Store(places().s3),
      connect: () => connectNats({ ...places().nats, onError }),
      // With the job's own credentials, so that a job reads only records that its credentials may read.
      openRecord: async (uri) => boundedStore(openS3Store({ ...places().s3, ...recordAddress(uri) })),
      files(store) {
        const { s3, checkpointCredentials: credentials, hub } = places()
        const { bucket: _bucket, prefix: _prefix, ...storage } = s3
        return filesOf(source.job(), store, {
          fetchHubCheckpoint: fetchCheckpoint,
          fetchS3Checkpoint,
          fetchS3File,
          storage,
          credentials,
          hub,
          log,
          temporary: tmpdir(),
        })
      },
      outputUri: outputUri(process.env),
      clock,
      now,
      pace: CLUSTER_PACE,
      observe(event) {
        metrics.observe(event)
        print(event)
      },
      hindered(why) {
        hindrance = why
      },
      log,
      signal,
    })
  } finally {
    client.close()
    await probes.close()
  }
}
