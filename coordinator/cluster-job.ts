// Runs a FederatedJob in a cluster: it follows changes of the job, writes status.training, retries after faults that a person can
// correct (reporting/faults.ts), and resumes from the record each time. It ends when the API server has accepted the last status.
// The caller chooses store, bus and API client.
import { FedsamError } from '#protocol/errors.ts'
import type { Observer } from '#protocol/events.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { createNotifier, type Notifier } from '#runtime/notifier.ts'
import type { JobSource, MessageBus, ObjectStore, StatusSink } from '#transport/ports.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import { certifyThrough } from './reporting/certification.ts'
import { type Fault, judgeFault } from './reporting/faults.ts'
import { beginStatus } from './reporting/status.ts'
import { openReporting, type Reporting } from './reporting/status-writer.ts'
import { coordinate } from './run/run-from-record.ts'
import { compileFixed, compileLive, type LocalFiles } from './settings/from-spec.ts'
import type { LiveSettings, OpenRecord, Pace } from './settings/settings.ts'

export interface ProgramParts {
  readonly source: JobSource
  readonly sink: StatusSink
  /** Connects to nothing yet. Throws InvalidJob where the settings are wrong. */
  readonly openStore: () => ObjectStore
  readonly connect: () => Promise<MessageBus>
  /** Fetches the files that the run starts from to this machine. */
  readonly files: (store: ObjectStore) => Promise<LocalFiles>
  /** Opens the record that the run resumes from. */
  readonly openRecord: OpenRecord
  /** The address of the output, for people. */
  readonly outputUri: string
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly pace: Pace
  readonly observe: Observer
  /** Receives what the run waits for; undefined once it runs. */
  readonly hindered: (why: string | undefined) => void
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

/** Seconds between two tries of a run. */
const BACKOFF = { first: 1, longest: 30 }
/** Seconds after which a try counts as a new start, so that the pauses begin at the first again: twice the longest pause. */
const LONG_TRY_SECONDS = 60
/** Seconds after which an authentication fault ends the process, so that a new pod reads a corrected Secret. */
const BOUND_SECONDS = 300

/**
 * Runs the job to its end, Complete or Failed, and reports that. Throws Superseded, Interrupted, and faults that only a new process
 * can overcome.
 */
export async function coordinateJob(parts: ProgramParts): Promise<void> {
  const { source, sink, clock, now, pace, outputUri, log } = parts
  const job = source.job()
  const before = source.training()
  // An ended job needs no coordinator: its record and status are final.
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

/** Connections that stay open from one try to the next. */
interface Connections {
  bus?: MessageBus
  store?: ObjectStore
  readonly notifier: Notifier
}

/** Tries until the run has ended, and pauses between the tries. */
async function runToEnd(parts: ProgramParts, reporting: Reporting, notifier: Notifier): Promise<void> {
  const { clock, signal, log, hindered } = parts
  const held: Connections = { notifier }
  const began = clock.now()
  try {
    for (let failures = 1; ; failures += 1) {
      const tried = clock.now()
      const fault = await runOnce(parts, reporting, held).catch((error: unknown) => {
        return judged(error, clock.now() - began > BOUND_SECONDS)
      })
      if (fault === undefined) return
      if (fault.kind === 'Fail') return giveUp(reporting, fault)
      reporting.report({ event: 'Hindered', reason: fault.reason, message: fault.message })
      hindered(fault.message)
      log(`${fault.reason}: ${fault.message}; the coordinator tries again`)
      if (clock.now() - tried > LONG_TRY_SECONDS) failures = 1
      await clock.sleep(pauseAfter(failures, BACKOFF), signal)
      if (signal.aborted) throw new FedsamError('Interrupted', 'the coordinator was asked to stop')
    }
  } finally {
    await held.bus?.close()
    await held.store?.close()
  }
}

/** The fault to wait for, or to fail with. Throws errors that only a new process can overcome. */
function judged(error: unknown, isLate: boolean): Exclude<Fault, { kind: 'End' }> {
  const fault = judgeFault(error)
  if (fault.kind === 'End' || (fault.kind === 'Wait' && fault.bound && isLate)) throw error
  return fault
}

function giveUp(reporting: Reporting, { reason, message }: Extract<Fault, { kind: 'Fail' }>): void {
  // A run that failed in its rounds has reported that itself.
  if (reporting.status().state !== 'Failed') reporting.report({ event: 'GivenUp', reason, message })
}

async function runOnce(parts: ProgramParts, reporting: Reporting, held: Connections): Promise<void> {
  const { source, clock, pace, signal } = parts
  held.store ??= parts.openStore()
  held.bus ??= await parts.connect()
  const { store, bus, notifier } = held
  await checkGuarantees(store)
  const fixed = compileFixed(source.job(), await parts.files(store), parts.openRecord)
  const observe: Observer = (event) => {
    if (event.event === 'RunStarted') parts.hindered(undefined)
    reporting.report(event)
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
    certify: certifyThrough(parts, reporting, notifier),
    notifier,
    signal,
  })
}

/** The live settings, derived once for each generation of the job. */
function liveOf(source: JobSource): () => LiveSettings {
  let live = compileLive(source.job())
  return () => {
    const job = source.job()
    if (job.generation !== live.generation) live = compileLive(job)
    return live
  }
}
