// Reads a coordinator's answer as a client must, whatever the client is doing: is a coordinator alive, is it the newest one, is the
// run over? Guarantees that a client follows the highest epoch and ends after `silenceSeconds` without an answer. Acting on a
// task is left to client.ts.
import { FedsamError } from '#protocol/errors.ts'
import type { NextAnswer } from '#protocol/messages.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { WorkerOptions } from './options.ts'
import { RETRY_SECONDS } from './requests.ts'

/** Pauses after unanswered requests, in seconds. They start short: a local coordinator starts within moments. */
const BACKOFF = { first: 0.02, longest: RETRY_SECONDS }

/** What a client knows of its coordinator. */
export interface Contact {
  /** The highest epoch in an answer so far. */
  epoch: number
  /** When the last answer came, by the worker's clock. */
  answeredAt: number
  /** Requests in a row without an answer. */
  unanswered: number
}

/** The end of a run, as its coordinator says it. */
export interface RunOver {
  readonly reason: string
  /** The run ended without a result. */
  readonly failed: boolean
}

/** What an answer means: nothing to do yet, the end of the run, or an instruction. */
export type Received =
  | { readonly kind: 'Nothing' }
  | ({ readonly kind: 'Finished' } & RunOver)
  | {
      readonly kind: 'Instruction'
      readonly answer: Exclude<NextAnswer, { kind: 'finished' | 'refused' }>
    }

export type ReceiveOptions = Pick<WorkerOptions, 'client' | 'clock' | 'signal' | 'silenceSeconds'>

const NOTHING: Received = { kind: 'Nothing' }

/**
 * Updates `contact` by an answer, or by 'NoAnswer' after a request without one; pauses before the client may ask again. Throws
 * Silence, and Refused where the coordinator does not accept this client.
 */
export async function receive(
  options: ReceiveOptions,
  contact: Contact,
  answer: NextAnswer | 'NoAnswer',
): Promise<Received> {
  const { client, clock, signal, silenceSeconds } = options
  if (answer === 'NoAnswer') {
    if (clock.now() - contact.answeredAt > silenceSeconds) throw silence(options)
    contact.unanswered += 1
    await clock.sleep(pauseAfter(contact.unanswered, BACKOFF), signal)
    return NOTHING
  }
  contact.answeredAt = clock.now()
  contact.unanswered = 0
  if (answer.epoch < contact.epoch) {
    // This coordinator is superseded and does not know it yet. The newer one answers a later request.
    await clock.sleep(RETRY_SECONDS, signal)
    return NOTHING
  }
  contact.epoch = answer.epoch
  if (answer.kind === 'finished')
    return { kind: 'Finished', reason: answer.reason, failed: answer.failed === true }
  if (answer.kind === 'refused') {
    throw new FedsamError('Refused', `the coordinator refused worker ${client}: ${answer.reason}`, {
      remedy: 'correct what the reason names; the worker restarts by itself, after longer and longer pauses',
    })
  }
  return { kind: 'Instruction', answer }
}

function silence({ client, silenceSeconds }: ReceiveOptions): FedsamError {
  return new FedsamError(
    'Silence',
    `worker ${client} got no answer from a coordinator for ${silenceSeconds} s`,
    {
      remedy: 'check that the coordinator and the message bus run; the worker restarts by itself',
    },
  )
}
