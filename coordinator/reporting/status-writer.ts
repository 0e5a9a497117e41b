// Writes status.training: it applies each event to the status (status.ts), and writes changes of state at once, and progress at
// intervals. No event waits for a write, and each write has the newest status. A write that fails is repeated and stops no round.
// A status that the API server refuses is shortened, and at last not written, so that the end of a run never waits for it.
import { FedsamError } from '#protocol/errors.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { shortened } from '#protocol/text.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { createNotifier, waitAtMost } from '#runtime/notifier.ts'
import { StatusRefused, type StatusSink } from '#transport/ports.ts'
import { isTransition, nextStatus, type StatusEvent } from './status.ts'
import { withoutDetails } from './status-bounds.ts'

export interface ReportingOptions {
  readonly sink: StatusSink
  readonly begin: TrainingStatus
  readonly outputUri: string
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly statusSeconds: number
  readonly log: (line: string) => void
  /** Ends `run` and `settled`. */
  readonly signal: AbortSignal
}

export interface Reporting {
  /** Applies an event to the status. Does not wait for a write. */
  report(event: StatusEvent): void
  status(): TrainingStatus
  /** Resolves when the newest status was accepted, or refused in every form, or when the signal is aborted. */
  settled(): Promise<void>
  /** Writes until the signal is aborted. Throws Superseded, as the sink does. */
  run(): Promise<void>
}

/** Seconds between two tries of a write. */
const BACKOFF = { first: 0.5, longest: 30 }
/** Seconds after which a wait without events checks the facts again. */
const IDLE_SECONDS = 30

export function openReporting(options: ReportingOptions): Reporting {
  const { outputUri, clock, now, statusSeconds, signal } = options
  const changed = createNotifier()
  const accepted = createNotifier()
  let status = options.begin
  let written: TrainingStatus | null = null
  let urgent = true
  let lastAt = Number.NEGATIVE_INFINITY

  /** Seconds until a write is due; 0: now. */
  const dueIn = (): number => {
    if (written === status) return IDLE_SECONDS
    return urgent ? 0 : Math.max(0, lastAt + statusSeconds - clock.now())
  }
  const write = async (): Promise<void> => {
    const wanted = status
    urgent = false
    try {
      await writeWhatIsAccepted(options, wanted)
    } catch (error) {
      urgent = true
      throw error
    }
    written = wanted
    lastAt = clock.now()
    accepted.notify()
  }
  return {
    status: () => status,
    report(event) {
      const next = nextStatus(status, event, { now: now(), outputUri })
      if (next === status) return
      urgent ||= isTransition(status, next)
      status = next
      changed.notify()
    },
    async settled() {
      urgent = true
      changed.notify()
      for (;;) {
        const notified = accepted.next()
        if (written === status || signal.aborted) return
        await waitAtMost(notified, IDLE_SECONDS, options)
      }
    },
    async run() {
      while (!signal.aborted) {
        const notified = changed.next()
        const left = dueIn()
        if (left > 0) await waitAtMost(notified, left, options)
        else await repeatUntilWritten(write, options)
      }
    },
  }
}

/** Writes, and repeats a write that fails. Throws Superseded. */
async function repeatUntilWritten(
  write: () => Promise<void>,
  { clock, log, signal }: ReportingOptions,
): Promise<void> {
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      return await write()
    } catch (error) {
      if (error instanceof FedsamError && error.code === 'Superseded') throw error
      log(`the status could not be written: ${String(error)}; the coordinator tries again`)
      await clock.sleep(pauseAfter(failures, BACKOFF), signal)
    }
  }
}

/** Writes the status, or the longest form of it that the API server accepts. Throws errors that another try may overcome. */
async function writeWhatIsAccepted({ sink, log }: ReportingOptions, status: TrainingStatus): Promise<void> {
  const cut =
    'The API server refused the details of this status. Read them in the log of the coordinator, or in the record.'
  for (const wanted of [status, ...withoutDetails(status, cut)]) {
    try {
      return await sink.write(wanted)
    } catch (error) {
      if (!(error instanceof StatusRefused)) throw error
      log(
        `the API server refused this status; the coordinator writes a shorter one: ${shortened(error.message, 500)}`,
      )
    }
  }
  log(
    'the API server refused every form of this status; the coordinator writes again at the next change of state',
  )
}
