// The time of a round in which nothing is trained: 1 MB of parameters, two clients, 120 rounds, the median of the last
// 60. In one process over memory and a folder; over a real nats-server and versitygw; and as `fedsam run --processes` runs it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startNats, startS3 } from '#cli/run/servers/servers.ts'
import { certifyBy } from '#coordinator/clients/local-certifier.ts'
import { coordinate } from '#coordinator/run/run-from-record.ts'
import { DEFAULT_PACE, type FixedSettings, type LiveSettings } from '#coordinator/settings/settings.ts'
import { completeSpec } from '#protocol/defaults.ts'
import type { RunEvent } from '#protocol/events.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import { newSigningKey } from '#runtime/signing-key.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { GrantedTransfers, MessageBus, ObjectStore } from '#transport/ports.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { serveRun } from '#worker/network/client.ts'
import { trainerEnvironment } from '#worker/trainer/trainer-environment.ts'
import { runInProcesses } from '../cli/run/processes.ts'
import { inProcessTrainer } from '../test/trainers/in-process.ts'
import { noopWork } from '../test/trainers/noop.ts'
import type { Figure, Row } from './figure.ts'

const ELEMENTS = 262_144
const CLIENTS = ['site-a', 'site-b'] as const
const ROUNDS = 120
/** Measured elsewhere, on a machine of the same size. */
const PEER = 'Flower 1.42: its gRPC server 31 ms, its deployment mode 7 s'
/** Rounds that warm up. */
const SKIPPED = 60

const NOOP = fileURLToPath(new URL('../test/trainers/noop.ts', import.meta.url))

export const noopRound: Figure = {
  name: 'round',
  async run() {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-bench-'))
    try {
      return [
        row('in process, memory', await inMemory(folder), 30),
        row('in process, folder', await inFolder(folder), 'every object is synced to the disk'),
        row('nats-server and versitygw', await overServers(folder), 100),
        row('the same, in processes with trainers', await inProcesses(folder), PEER),
      ]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** `against`: a target in milliseconds, or the figure to compare with. */
function row(what: string, seconds: number, against: number | string): Row {
  return {
    what: `1 MB, two clients: ${what}`,
    value: `${(seconds * 1000).toFixed(1)} ms`,
    against: typeof against === 'string' ? against : `target below ${against} ms`,
    met: typeof against === 'string' || seconds * 1000 < against,
  }
}

/** Median seconds between the ends of successive rounds. */
function stopwatch(): { observe(event: RunEvent): void; median(): number } {
  const ends: number[] = []
  return {
    observe(event) {
      if (event.event === 'RoundCompleted' && event.accepted.length > 0) ends.push(performance.now() / 1000)
    },
    median() {
      const spans = ends.slice(1).map((end, i) => end - ends[i]!)
      const counted = spans.slice(SKIPPED).sort((a, b) => a - b)
      return counted[Math.floor(counted.length / 2)]!
    },
  }
}

interface Place {
  readonly store: ObjectStore
  readonly buses: { readonly coordinator: MessageBus; readonly worker: MessageBus }
  readonly transfers: GrantedTransfers
  readonly folder: string
}

async function inMemory(folder: string): Promise<number> {
  const store = createMemoryStore()
  const bus = createInProcessBus()
  const transfers = createGrantedTransfers({ memory: store })
  return federate({
    store,
    transfers,
    buses: { coordinator: bus, worker: bus },
    folder: join(folder, 'memory'),
  })
}

async function inFolder(folder: string): Promise<number> {
  const store = await openFilesystemStore({ folder: join(folder, 'store') })
  const bus = createInProcessBus()
  const buses = { coordinator: bus, worker: bus }
  return federate({ store, transfers: createGrantedTransfers(), buses, folder: join(folder, 'folder') })
}

async function overServers(folder: string): Promise<number> {
  const nats = await startNats({ folder: join(folder, 'nats') })
  const s3 = await startS3({ folder: join(folder, 's3'), bucket: 'bench' })
  const { bucket, endpoint, accessKey: accessKeyId, secretKey: secretAccessKey } = s3
  const store = openS3Store({ bucket, prefix: '', endpoint, credentials: { accessKeyId, secretAccessKey } })
  const buses = {
    coordinator: await connectNats({ url: nats.url }),
    worker: await connectNats({ url: nats.url }),
  }
  try {
    return await federate({
      store,
      transfers: createGrantedTransfers(),
      buses,
      folder: join(folder, 'servers'),
    })
  } finally {
    await Promise.all([buses.coordinator.close(), buses.worker.close(), store.close()])
    await Promise.all([nats.stop(), s3.stop()])
  }
}

/** Coordinator and both workers in this process, over the place's store and bus. */
async function federate({ store, buses, transfers, folder }: Place): Promise<number> {
  const watch = stopwatch()
  const over = new AbortController()
  const clock = systemClock()
  const prefix = subjectPrefix(FIXED.namespace, FIXED.uid)
  const certifier = newSigningKey()
  const workers = CLIENTS.map((client) =>
    serveRun({
      client,
      incarnation: client,
      key: newSigningKey(),
      trust: [certifier.publicKey],
      prefix,
      bus: buses.worker,
      transfers,
      trainer: inProcessTrainer(noopWork(ELEMENTS)),
      clock,
      folder: join(folder, client),
      answerSeconds: 30,
      silenceSeconds: 60,
      log: () => {},
      signal: over.signal,
    }),
  )
  await coordinate({
    store,
    bus: buses.coordinator,
    fixed: FIXED,
    live: () => LIVE,
    clock,
    pace: DEFAULT_PACE,
    observe: watch.observe,
    certify: certifyBy(certifier, FIXED),
    signal: over.signal,
  })
  await Promise.all(workers)
  return watch.median()
}

async function inProcesses(folder: string): Promise<number> {
  const watch = stopwatch()
  const spec = completeSpec({
    rounds: ROUNDS,
    strategy: { fractionEvaluate: 0 },
    trainer: { type: 'Command', command: { command: ['node', NOOP, String(ELEMENTS)] } },
    partitions: CLIENTS.map((name) => ({ name })),
  })
  await runInProcesses({
    job: { name: 'noop', namespace: 'bench', uid: 'local', generation: 1, spec },
    spec,
    files: { checkpoint: null, initialParameters: '', resumeFrom: '' },
    folder,
    env: trainerEnvironment(process.env),
    output: join(folder, 'processes'),
    observe: watch.observe,
    log: () => {},
    signal: new AbortController().signal,
  })
  return watch.median()
}

const FIXED: FixedSettings = {
  name: 'noop',
  uid: 'bench',
  namespace: 'bench',
  seed: 0,
  strategy: { type: 'FedAvg' },
  clipNorm: null,
  program: null,
  minFitClients: 2,
  minAvailableClients: 2,
  fractionFit: 1,
  fractionEvaluate: 0,
  config: {},
  stopping: { bestBy: null, stopWhen: null },
  retentionRounds: 2,
  memoryBytes: 512 * 2 ** 20,
  origin: { kind: 'Client' },
  base: null,
  spec: {},
}

const LIVE: LiveSettings = {
  generation: 1,
  rounds: ROUNDS,
  members: CLIENTS.map((name) => ({ name, train: true })),
  round: {
    deadlineSeconds: 600,
    quorum: 2,
    graceSeconds: null,
    availabilitySeconds: 60,
    settleSeconds: 10,
    maxFailedRounds: 1,
    maxExamples: null,
  },
}
