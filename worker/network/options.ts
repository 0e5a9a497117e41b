// What a worker needs to serve a run. The program chooses each part (worker/main.ts, cli/run/local.ts); a function of this folder
// takes only the fields that it uses.
import type { CoordinatorCertificate } from '#protocol/certificate.ts'
import type { Task } from '#protocol/messages.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import type { Clock } from '#runtime/clock.ts'
import type { GrantedTransfers, MessageBus } from '#transport/ports.ts'
import type { Trainer } from '../trainer/seam.ts'
import type { AskGrants } from './grants.ts'

export interface WorkerOptions {
  readonly client: string
  /** A new random name for every start of a worker. */
  readonly incarnation: string
  /** Subject prefix of the run (protocol/messages.ts). */
  readonly prefix: string
  readonly bus: MessageBus
  readonly transfers: GrantedTransfers
  /** Prepares what the trainer needs before it can start; reports what it waits for. */
  readonly prepare?: (ask: AskGrants, report: (message: string) => void) => Promise<void>
  readonly trainer: Trainer
  /** Whether this client serves the job of this certificate. Absent: the run's uid alone decides. After a `false` it sends nothing more. */
  readonly mayServe?: (certified: CoordinatorCertificate) => boolean
  /**
   * The task to carry out in place of this one. Rejects with SiteRefused where the client does not carry it out, and with RunDeclined where
   * it carries out no later one either.
   */
  readonly admit?: (task: Task) => Promise<Task>
  /** What the coordinator learns where this worker is asked to stop; absent: nothing, because another life follows at once. */
  readonly farewell?: string
  /** The version of the conversation to speak; absent: that of this release. */
  readonly version?: number
  /** The client's own key: it signs requests and receipts. */
  readonly key: SigningKey
  /** Public keys whose certificates of coordinators the client believes. */
  readonly trust: readonly string[]
  readonly clock: Clock
  /** For cached models and unfinished updates. */
  readonly folder: string
  /** Longest wait for the answer to one request, in seconds; above the time that a coordinator holds a request open. */
  readonly answerSeconds: number
  /** The worker ends with Silence after this many seconds without an answer from a coordinator. */
  readonly silenceSeconds: number
  /**
   * The way to the store may be bad, and nobody restarts this worker: a transfer that breaks is repeated while its attempt waits, and a
   * payload that does not get through goes in pieces. Absent: the coordinator learns of the failure.
   */
  readonly badLine?: boolean
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}
