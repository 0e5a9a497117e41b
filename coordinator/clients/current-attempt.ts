// The state that requests are answered from: the open attempt or exchange, whether the run has ended, and the bytes granted so far. Other files
// change it through these verbs only. It is memory: a coordinator that restarts begins with no open attempt and with 0 bytes.

import type { Ask } from '#protocol/exchange.ts'
import type { Have, NextAnswer, Task } from '#protocol/messages.ts'
import type { Plan } from '#protocol/record.ts'
import type { Notifier } from '#runtime/notifier.ts'
import type { Marked } from '../record/markers.ts'
import type { StatesBefore } from '../rounds/client-states.ts'
import type { AttemptUploads } from './attempt-uploads.ts'

/** The part of open work that clients reach. */
interface Served {
  /** The client's task; undefined where it has none, or has completed it. */
  taskFor(client: string): Task | undefined
  /** Whether the work still waits for this client. */
  isPending(client: string): boolean
  /** Reads the client's receipt, or its reply, from the store and admits it. */
  checkReceipt(client: string): Promise<void>
  /** Records that the client's work failed; ignores reports about other work. */
  recordFailure(client: string, have: Extract<Have, { state: 'Failed' }>): void
  /** The last states of clients that count, and the rule for the next ones. */
  readonly states: StatesBefore
  /** What clients may write. */
  readonly uploads: AttemptUploads
  /** The deadline, in seconds of the coordinator's clock. No grant is valid for longer. */
  readonly until: number
}

/** An open attempt at a round (attempts/attempt.ts). */
export interface ServedAttempt extends Served {
  readonly plan: Marked<Plan>
}

/** An open exchange of a Program run (exchanges/exchange.ts). */
export interface ServedExchange extends Served {
  readonly ask: Marked<Ask>
  /** The place of the message that the client works on; undefined where it has replied to all. */
  placeOf(client: string): number | undefined
}

/** What the clients learn of the end of a run. */
export type RunEnd = Pick<Extract<NextAnswer, { kind: 'finished' }>, 'reason' | 'failed'>

export interface CurrentAttempt {
  /** The open attempt or exchange; null between two. */
  attempt(): ServedAttempt | ServedExchange | null
  /** Serves this attempt or exchange from now on, and wakes the requests that wait for a task. */
  open(work: ServedAttempt | ServedExchange): void
  /** Serves none until the next one opens. */
  close(): void
  /** Ends the run for its clients: every request is answered with `finished`, and with these words. */
  finish(end: RunEnd): void
  /** What `finish` gave; null while the run continues. */
  finished(): RunEnd | null
  /** Counts bytes of models and checkpoint files that clients were granted to read. */
  countGranted(bytes: number): void
  /** The bytes granted since the last call, for one report. */
  takeGranted(): number
}

export function createCurrentAttempt(notifier: Notifier): CurrentAttempt {
  let current: ServedAttempt | ServedExchange | null = null
  let end: RunEnd | null = null
  let grantedBytes = 0
  return {
    attempt: () => current,
    open(work) {
      current = work
      notifier.notify()
    },
    close() {
      current = null
      notifier.notify()
    },
    finish(how) {
      end = how
      notifier.notify()
    },
    finished: () => end,
    countGranted(bytes) {
      grantedBytes += bytes
    },
    takeGranted() {
      const taken = grantedBytes
      grantedBytes = 0
      return taken
    },
  }
}
