// A federation in one process for tests: a coordinator and workers over a memory store and an in-process bus, with the
// quadratic trainer unless a test brings another.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { coordinate, type RunOutcome } from '#coordinator/run.ts'
import { DEFAULT_PACE, type FixedSettings, type LiveSettings } from '#coordinator/settings.ts'
import { sha256 } from '#protocol/digest.ts'
import type { RunEvent } from '#protocol/events.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { type Clock, systemClock } from '#transport/clock.ts'
import { createGrantedTransfers } from '#transport/granted.ts'
import { createInProcessBus } from '#transport/in-process.ts'
import { createMemoryStore } from '#transport/memory.ts'
import type { GrantedTransfers, MessageBus, ObjectStore } from '#transport/ports.ts'
import { serveRun } from '#worker/round.ts'
import type { Trainer } from '#worker/trainer/seam.ts'
import { inProcessTrainer } from '../trainers/in-process.ts'
import { quadraticWork } from '../trainers/quadratic.ts'

/** What a test varies. */
export interface FederationOptions {
  readonly clients: readonly string[]
  readonly rounds?: number
  readonly size?: number
  readonly fixed?: Partial<FixedSettings>
  readonly round?: Partial<LiveSettings['round']>
  readonly store?: ObjectStore
  readonly bus?: MessageBus
  readonly transfers?: GrantedTransfers
  readonly clock?: Clock
  /** Another trainer for a client; null: the client never starts. */
  readonly trainers?: Readonly<Record<string, Trainer | null>>
  readonly signal?: AbortSignal
}

export interface FederationOutcome {
  readonly outcome: RunOutcome
  readonly events: readonly RunEvent[]
  readonly store: ObjectStore
  /** SHA-256 of output/model.safetensors. */
  readonly model: string
}

export const QUADRATIC: FixedSettings = {
  name: 'quadratic',
  uid: 'test',
  namespace: 'test',
  seed: 7,
  strategy: { type: 'FedAvg' },
  minFitClients: 2,
  minAvailableClients: 2,
  fractionFit: 1,
  fractionEvaluate: 1,
  config: {},
  stopping: { bestBy: null, stopWhen: null },
  retentionRounds: 2,
  memoryBytes: 512 * 1024 * 1024,
  origin: { kind: 'Client' },
  base: null,
  spec: {},
}

const ROUND: LiveSettings['round'] = {
  deadlineSeconds: 3600,
  quorum: 2,
  graceSeconds: null,
  availabilitySeconds: 1800,
  settleSeconds: 60,
  maxFailedRounds: 3,
}

/** Runs a federation to its end. Everything of it is gone when it returns but the store. */
export async function runFederation(options: FederationOptions): Promise<FederationOutcome> {
  const { clients, rounds = 3, size = 1000, store: givenStore } = options
  const clock = options.clock ?? systemClock()
  const memory = createMemoryStore()
  const store = givenStore ?? memory
  const bus = options.bus ?? createInProcessBus()
  const transfers = options.transfers ?? createGrantedTransfers({ memory })
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-federation-'))
  const fixed = { ...QUADRATIC, ...options.fixed }
  const live: LiveSettings = {
    generation: 1,
    rounds,
    members: clients.map((name) => ({ name, train: true })),
    round: { ...ROUND, ...options.round },
  }
  const events: RunEvent[] = []
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, ...(options.signal ? [options.signal] : [])])
  const workers = clients
    .filter((client) => options.trainers?.[client] !== null)
    .map((client) =>
      serveRun({
        client,
        incarnation: `${client}-1`,
        prefix: subjectPrefix(fixed.namespace, fixed.uid),
        bus,
        transfers,
        trainer: options.trainers?.[client] ?? inProcessTrainer(quadraticWork({ client, size })),
        clock,
        folder: join(folder, client),
        answerSeconds: 30,
        silenceSeconds: 600,
        log: () => {},
        signal,
      }).catch((error: unknown) => {
        if (!signal.aborted) throw error
      }),
    )
  try {
    const outcome = await coordinate({
      store,
      bus,
      fixed,
      live: () => live,
      clock,
      pace: { ...DEFAULT_PACE, farewellSeconds: 5 },
      observe: (event) => {
        if (process.env.DEBUG_EVENTS) console.log(JSON.stringify(event))
        events.push(event)
      },
      signal,
    })
    const model = sha256((await store.get('output/model.safetensors'))!)
    return { outcome, events, store, model }
  } finally {
    stop.abort()
    await Promise.all(workers)
    await bus.close()
    await rm(folder, { recursive: true, force: true })
  }
}
