// A coordinator in a cluster, from its first look at the job to the last status that was accepted: it follows its FederatedJob, says
// how the run stands, waits for what somebody may cure (reporting/faults.ts) and goes on from the record. Which store, bus and API, the
// caller chooses.
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { createNotifier, type Notifier } from '#runtime/notifier.ts'
import type { JobSource, MessageBus, ObjectStore, StatusSink } from '#transport/ports.ts'
import { probeStore } from '#transport/store/probe.ts'
import type { Verify } from './clients/context.ts'
import { type Fault, judgeFault } from './reporting/faults.ts'
import { beginStatus } from './reporting/status.ts'
import { openReporting, type Reporting } from './reporting/status-writer.ts'
import { coordinate } from './run/run.ts'
import { compileFixed, compileLive, type LocalFiles } from './settings/from-spec.ts'
import type { LiveSettings, OpenRecord, Pace } from './settings/settings.ts'

export interface ProgramParts {
  readonly source: JobSource
  readonly sink: StatusSink
  /** Connects to nothing yet. Throws InvalidJob where the settings are wrong. */
  readonly openStore: () => ObjectStore
  readonly connect: () => Promise<MessageBus>
  /** What the run begins with, on this machine. */
  readonly files: (store: ObjectStore) => Promise<LocalFiles>
  /** Opens the record that the run starts from. */
  readonly openRecord: OpenRecord
  readonly verify: Verify
  /** Where the output will lie, for people. */
  readonly outputUri: string
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly pace: Pace
  readonly observe: Observer
  /** Hears what the run waits for; undefined while it goes on. */
  readonly hindered: (why: string | undefined) => void
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

/** Seconds between two tries of a run. */
const BACKOFF = { first: 1, longest: 30 }
/** A try that lasts longer, in seconds, begins a new row of failures: twice the longest pause. */
const LONG_TRY_SECONDS = 60
/** After so long another process may have other credentials. */
const BOUND_SECONDS = 300

/** Runs the job to its end: Complete or Failed, and said so. Throws Superseded, Interrupted, and what another process may cure. */
export async function coordinateJob(parts: ProgramParts): Promise<void> {
  const { source, sink, clock, now, pace, outputUri, log } = parts
  const job = source.job()
  const before = source.training()
  // The record and the status say all that there is to say.
  if (before?.state === 'Complete' || before?.state === 'Failed') return
  const over = new AbortController()
  const signal = AbortSignal.any([parts.signal, over.signal])
  const begin = beginStatus(job.uid, before, now())
  const { statusSeconds } = pace
  const reporting = openReporting({ sink, begin, outputUri, clock, now, statusSeconds, log, signal })
  const notifier = createNotifier()
  let superseded: unknown
  const guarded = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => {
      superseded ??= error
      over.abort()
    })
  const beside = [guarded(source.follow(notifier.notify, signal)), guarded(reporting.run())]
  try {
    await runToEnd({ ...parts, signal }, reporting, notifier)
    await reporting.settled()
  } catch (error) {
    throw superseded ?? error
  } finally {
    over.abort()
    await Promise.all(beside)
  }
  if (superseded !== undefined) throw superseded
}

/** What is kept from one try to the next. */
interface Held {
  bus?: MessageBus
  store?: ObjectStore
  readonly notifier: Notifier
}

/** Tries until the run is over, waiting for what may be cured. */
async function runToEnd(parts: ProgramParts, reporting: Reporting, notifier: Notifier): Promise<void> {
  const { clock, signal, log, hindered } = parts
  const held: Held = { notifier }
  const began = clock.now()
  try {
    for (let failures = 1; ; failures += 1) {
      const tried = clock.now()
      const fault = await runOnce(parts, reporting, held).catch((error: unknown) => {
        return judged(error, clock.now() - began > BOUND_SECONDS)
      })
      if (fault === undefined) return
      if (fault.kind === 'Fail') return giveUp(reporting, fault)
      reporting.tell({ event: 'Hindered', reason: fault.reason, message: fault.message })
      hindered(fault.message)
      log(`${fault.reason}: ${fault.message}; trying again`)
      if (clock.now() - tried > LONG_TRY_SECONDS) failures = 1
      await clock.sleep(pauseAfter(failures, BACKOFF), signal)
      if (signal.aborted) throw new FedsamError('Interrupted', 'the coordinator was asked to stop')
    }
  } finally {
    await held.bus?.close()
    await held.store?.close()
  }
}

/** A fault to wait for or to fail with. Throws what only another process may cure. */
function judged(error: unknown, isLate: boolean): Exclude<Fault, { kind: 'End' }> {
  const fault = judgeFault(error)
  if (fault.kind === 'End' || (fault.kind === 'Wait' && fault.bound && isLate)) throw error
  return fault
}

function giveUp(reporting: Reporting, { reason, message }: Extract<Fault, { kind: 'Fail' }>): void {
  // A run that failed in its rounds has said so itself.
  if (reporting.status().state !== 'Failed') reporting.tell({ event: 'GivenUp', reason, message })
}

async function runOnce(parts: ProgramParts, reporting: Reporting, held: Held): Promise<void> {
  const { source, clock, pace, verify, signal } = parts
  held.store ??= parts.openStore()
  held.bus ??= await parts.connect()
  const { store, bus, notifier } = held
  await probeStore(store)
  const fixed = compileFixed(source.job(), await parts.files(store), parts.openRecord)
  const observe: Observer = (event) => {
    if (event.event === 'RunStarted') parts.hindered(undefined)
    reporting.tell(event)
    parts.observe(event)
  }
  await coordinate({
    store,
    bus,
    fixed,
    live: liveOf(source),
    clock,
    pace,
    observe,
    verify,
    notifier,
    signal,
  })
}

/** Compiled once for each generation of the job. */
function liveOf(source: JobSource): () => LiveSettings {
  let live = compileLive(source.job())
  return () => {
    const job = source.job()
    if (job.generation !== live.generation) live = compileLive(job)
    return live
  }
}
