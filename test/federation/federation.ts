// A federation in one process for tests: coordinators and workers over a memory store and an in-process bus, with the
// quadratic trainer unless a test brings another. Coordinators and workers can be started and stopped one by one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certifyBy } from '#coordinator/clients/local-certifier.ts'
import { coordinate, type RunOutcome } from '#coordinator/run/run-from-record.ts'
import {
  DEFAULT_PACE,
  type FixedSettings,
  type LiveSettings,
  type Pace,
  type ProgramCommand,
} from '#coordinator/settings/settings.ts'
import { sha256 } from '#protocol/digest.ts'
import type { RunEvent } from '#protocol/events.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { GrantedTransfers, MessageBus, ObjectStore } from '#transport/ports.ts'
import { serveRun } from '#worker/network/client.ts'
import type { Trainer } from '#worker/trainer/seam.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { CERTIFIER, signing } from '../given/signed.ts'
import { inProcessTrainer } from '../trainers/in-process.ts'
import { type QuadraticOptions, quadraticWork } from '../trainers/quadratic.ts'
import { until } from '../until.ts'

/** What a test varies. */
export interface FederationOptions {
  readonly clients: readonly string[]
  /** Clients that only evaluate. */
  readonly onlookers?: readonly string[]
  readonly rounds?: number
  /** Elements of the model. */
  readonly size?: number
  readonly fixed?: Partial<FixedSettings>
  readonly round?: Partial<LiveSettings['round']>
  readonly pace?: Partial<Pace>
  readonly store?: ObjectStore
  readonly bus?: MessageBus
  /** What the workers send their requests through; the bus itself unless given. */
  readonly workerBus?: MessageBus
  readonly transfers?: GrantedTransfers
  readonly clock?: Clock
  /** Changes a client's quadratic trainer; the events are those of the whole federation. */
  readonly quadratic?: (client: string, events: readonly RunEvent[]) => Partial<QuadraticOptions>
  /** Longest time that a request may stay unanswered; real seconds. */
  readonly answerSeconds?: number
  readonly log?: (line: string) => void
  /** A client's work in place of the quadratic trainer. */
  readonly work?: (client: string) => TrainerWork
  /** The program of a Program run, for coordinators of this federation with this folder. */
  readonly program?: (folder: string) => ProgramCommand
}

/** A federation whose parts a test starts and stops. */
export interface Federation {
  readonly store: ObjectStore
  readonly bus: MessageBus
  readonly fixed: FixedSettings
  readonly live: LiveSettings & { rounds: number; members: LiveSettings['members'] }
  readonly events: RunEvent[]
  readonly folder: string
  /** Starts a coordinator; it stops when the signal is aborted. */
  coordinate(options?: CoordinateOptions): Promise<RunOutcome>
  /** Starts a worker; resolves to what ended it: the reason that it received, or the error's code. */
  work(client: string, options?: WorkOptions): Promise<string>
  /** SHA-256 of output/model.safetensors. */
  model(): Promise<string>
  /** Stops all of it. */
  close(): Promise<void>
}

export interface CoordinateOptions {
  /** The version of the conversation; that of this release unless given. */
  readonly version?: number
  readonly signal?: AbortSignal
  readonly store?: ObjectStore
  /** Hears each event of this coordinator before its run continues: what a test does here comes at that very moment. */
  readonly onEvent?: (event: RunEvent) => void
}

export interface WorkOptions {
  /** The version of the conversation; that of this release unless given. */
  readonly version?: number
  readonly incarnation?: string
  /** The key that the worker signs with; a new one unless given. */
  readonly key?: SigningKey
  readonly signal?: AbortSignal
  readonly trainer?: Trainer
  readonly work?: TrainerWork
  /** Hears the error that ended the worker. */
  readonly onError?: (error: { readonly message: string }) => void
}

export const QUADRATIC: FixedSettings = {
  name: 'quadratic',
  uid: 'test',
  namespace: 'test',
  seed: 7,
  strategy: { type: 'FedAvg' },
  clipNorm: null,
  program: null,
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

export const ROUND: LiveSettings['round'] = {
  deadlineSeconds: 3600,
  quorum: 2,
  graceSeconds: null,
  availabilitySeconds: 1800,
  settleSeconds: 60,
  maxFailedRounds: 3,
  maxExamples: null,
}

/** run.json holds the strategy, and the rule by which rounds are ranked, as it does for a job. */
export function asRecorded(chosen: FixedSettings): FixedSettings {
  const strategy = { ...chosen.strategy, ...(chosen.spec.strategy as object | undefined) }
  return { ...chosen, strategy, spec: { evaluation: chosen.stopping, ...chosen.spec, strategy } }
}

/** Sets up a federation; nothing runs yet. */
export async function openFederation(options: FederationOptions): Promise<Federation> {
  const { clients, onlookers = [], rounds = 3, size = 1000 } = options
  const clock = options.clock ?? systemClock()
  const memory = createMemoryStore()
  const store = options.store ?? memory
  const bus = options.bus ?? createInProcessBus()
  const transfers = options.transfers ?? createGrantedTransfers({ memory })
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-federation-'))
  const fixed = asRecorded({ ...QUADRATIC, ...options.fixed })
  const live = {
    generation: 1,
    rounds,
    members: [
      ...clients.map((name) => ({ name, train: true })),
      ...onlookers.map((name) => ({ name, train: false })),
    ],
    round: { ...ROUND, ...options.round },
  }
  const events: RunEvent[] = []
  const over = new AbortController()
  const running: Promise<unknown>[] = []
  let lives = 1
  const orOver = (signal?: AbortSignal): AbortSignal =>
    signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  return {
    store,
    bus,
    fixed,
    live,
    events,
    folder,
    coordinate(own = {}) {
      const outcome = coordinate({
        store: own.store ?? store,
        bus,
        fixed,
        live: () => live,
        clock,
        pace: { ...DEFAULT_PACE, farewellSeconds: 5, ...options.pace },
        observe: (event) => {
          events.push(event)
          own.onEvent?.(event)
        },
        certify: certifyBy(CERTIFIER, fixed),
        ...(options.program === undefined ? {} : { program: options.program(folder) }),
        ...(own.version === undefined ? {} : { version: own.version }),
        signal: orOver(own.signal),
      })
      running.push(outcome.catch(() => {}))
      return outcome
    },
    work(client, own = {}) {
      const work =
        own.work ??
        options.work?.(client) ??
        quadraticWork({ client, size, ...options.quadratic?.(client, events) })
      const served = serveRun({
        client,
        incarnation: own.incarnation ?? `${client}-life-${lives++}`,
        ...signing(),
        ...(own.key === undefined ? {} : { key: own.key }),
        ...(own.version === undefined ? {} : { version: own.version }),
        prefix: subjectPrefix(fixed.namespace, fixed.uid),
        bus: options.workerBus ?? bus,
        transfers,
        trainer: own.trainer ?? inProcessTrainer(work),
        clock,
        folder: join(folder, client),
        answerSeconds: options.answerSeconds ?? 30,
        silenceSeconds: 6000,
        log: options.log ?? (() => {}),
        signal: orOver(own.signal),
      }).then(
        ({ reason }) => reason,
        (error: { code?: string; message: string }) => {
          if (error.code === undefined) throw error
          own.onError?.(error)
          return error.code
        },
      )
      running.push(served.catch(() => {}))
      return served
    },
    model: async () => sha256((await store.get('output/model.safetensors'))!),
    async close() {
      over.abort()
      await Promise.all(running)
      await bus.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface FederationOutcome {
  /** null where the run failed. */
  readonly outcome: RunOutcome | null
  readonly error: { readonly code?: string; readonly message: string } | null
  readonly events: readonly RunEvent[]
  readonly store: ObjectStore
  /** SHA-256 of output/model.safetensors; '' where the run failed. */
  readonly model: string
}

/** Runs one coordinator and every client to the end of the run. Everything of it is gone when it returns but the store. */
export async function runFederation(
  options: FederationOptions & { absent?: readonly string[] },
): Promise<FederationOutcome> {
  const federation = await openFederation(options)
  const { store, events, live } = federation
  try {
    const workers = live.members
      .filter(({ name }) => options.absent?.includes(name) !== true)
      .map(({ name }) => federation.work(name))
    // A worker that breaks breaks the test.
    const broken = new Promise<never>((_, reject) => {
      for (const worker of workers) worker.catch(reject)
    })
    const outcome = await Promise.race([federation.coordinate(), broken])
    return { outcome, error: null, events, store, model: await federation.model() }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    return { outcome: null, error: error as { code: string; message: string }, events, store, model: '' }
  } finally {
    await federation.close()
  }
}

/** Waits for an event of this kind that fits. Its failure names the events that came. */
export async function seen<K extends RunEvent['event']>(
  { events }: { readonly events: readonly RunEvent[] },
  kind: K,
  fits: (event: Extract<RunEvent, { event: K }>) => boolean = () => true,
): Promise<void> {
  await until(`an event ${kind} like ${fits}`, () => eventsOf(events, kind).some(fits), {
    instead: () => events.map(({ event }) => event),
  })
}

/** Starts a coordinator that is asked to stop at the moment that it completes this round. */
export function coordinateThrough(federation: Federation, round: number): Promise<RunOutcome> {
  const stop = new AbortController()
  return federation.coordinate({
    signal: stop.signal,
    onEvent: (event) => {
      if (event.event === 'RoundCompleted' && event.round === round) stop.abort()
    },
  })
}

/** The events of one kind, in order. */
export function eventsOf<K extends RunEvent['event']>(
  events: readonly RunEvent[],
  kind: K,
): Extract<RunEvent, { event: K }>[] {
  return events.filter((event): event is Extract<RunEvent, { event: K }> => event.event === kind)
}
