// Says how the run stands: folds the news into the status (status.ts) and leaves it in the sink, a change of state at once, progress
// now and then. No news waits for a write, and what is written is always the newest. A write that fails is repeated and stops no
// round; a status that is refused for what it says is cut, and in the end given up, so that the end of a run never waits for it.
import { FedsamError } from '#protocol/errors.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { shortened } from '#protocol/text.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { Clock } from '#runtime/clock.ts'
import { createNotifier, waitAtMost } from '#runtime/notifier.ts'
import { StatusRefused, type StatusSink } from '#transport/ports.ts'
import { isTransition, type News, nextStatus } from './status.ts'
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
  /** Ends the writing, and the waiting for it. */
  readonly signal: AbortSignal
}

export interface Reporting {
  tell(news: News): void
  status(): TrainingStatus
  /** Resolves when the newest status was accepted or given up, or the signal says stop. */
  settled(): Promise<void>
  /** Writes until the signal says stop. Throws Superseded, as the sink does. */
  run(): Promise<void>
}

/** Seconds between two tries of a write. */
const BACKOFF = { first: 0.5, longest: 30 }
/** Seconds after which a wait without news looks at the facts again. */
const IDLE_SECONDS = 30

export function openReporting(options: ReportingOptions): Reporting {
  const { outputUri, clock, now, statusSeconds, signal, log } = options
  const news = createNotifier()
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
    tell(told) {
      const next = nextStatus(status, told, { now: now(), outputUri })
      if (next === status) return
      urgent ||= isTransition(status, next)
      status = next
      news.notify()
    },
    async settled() {
      urgent = true
      news.notify()
      for (;;) {
        const notified = accepted.next()
        if (written === status || signal.aborted) return
        await waitAtMost(notified, IDLE_SECONDS, options)
      }
    },
    async run() {
      for (let failures = 0; !signal.aborted; ) {
        const notified = news.next()
        const left = dueIn()
        if (left > 0) {
          await waitAtMost(notified, left, options)
          continue
        }
        try {
          await write()
          failures = 0
        } catch (error) {
          if (error instanceof FedsamError && error.code === 'Superseded') throw error
          log(`the status cannot be written: ${String(error)}; trying again`)
          failures += 1
          await clock.sleep(pauseAfter(failures, BACKOFF), signal)
        }
      }
    },
  }
}

/** Writes the status, or as much of it as the API server accepts. Throws what another try may cure. */
async function writeWhatIsAccepted({ sink, log }: ReportingOptions, status: TrainingStatus): Promise<void> {
  const cut =
    'The API server refused the details of this status; the log of the coordinator and the record have them.'
  for (const wanted of [status, ...withoutDetails(status, cut)]) {
    try {
      return await sink.write(wanted)
    } catch (error) {
      if (!(error instanceof StatusRefused)) throw error
      log(`the API server refuses this status, a shorter one is written: ${shortened(error.message, 500)}`)
    }
  }
  log('the API server refuses every form of this status; the next change of state writes another one')
}
