// What every answer of a coordinator means, whatever the client is at: somebody lives, which coordinator counts, whether it is over.
import { FedsamError } from '#protocol/errors.ts'
import type { NextAnswer } from '#protocol/messages.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { WorkerOptions } from './client.ts'
import { RETRY_SECONDS } from './requests.ts'

/** Seconds before a request that nobody answered is sent again. */
const BACKOFF = { first: 0.02, longest: RETRY_SECONDS }

/** What a client knows of its coordinator. */
export interface Standing {
  /** The highest epoch that it heard of. */
  epoch: number
  heardAt: number
  /** Requests in a row that nobody answered. */
  unanswered: number
}

/** Nothing to act on (after a pause), the end of the run, or something to do. */
export type Heard =
  | { readonly kind: 'Nothing' }
  | { readonly kind: 'Over'; readonly reason: string }
  | { readonly kind: 'Told'; readonly answer: Exclude<NextAnswer, { kind: 'finished' | 'refused' }> }

const NOTHING: Heard = { kind: 'Nothing' }

/** Takes an answer, or that none came. Throws Silence, and Refused where the coordinator does not accept this client. */
export async function hear(
  options: WorkerOptions,
  standing: Standing,
  answer: NextAnswer | 'NoAnswer',
): Promise<Heard> {
  const { client, clock, signal, silenceSeconds } = options
  if (answer === 'NoAnswer') {
    if (clock.now() - standing.heardAt > silenceSeconds) throw silence(options)
    // The first tries follow quickly: a coordinator that starts beside us is there in a moment.
    standing.unanswered += 1
    await clock.sleep(pauseAfter(standing.unanswered, BACKOFF), signal)
    return NOTHING
  }
  standing.heardAt = clock.now()
  standing.unanswered = 0
  if (answer.epoch < standing.epoch) {
    // An older coordinator that does not know yet: the newer one should be asked, a moment later.
    await clock.sleep(RETRY_SECONDS, signal)
    return NOTHING
  }
  standing.epoch = answer.epoch
  if (answer.kind === 'finished') return { kind: 'Over', reason: answer.reason }
  if (answer.kind === 'refused') {
    throw new FedsamError('Refused', `worker ${client} was refused: ${answer.reason}`, {
      remedy: 'it starts again by itself, after longer and longer pauses; correct what the coordinator names',
    })
  }
  return { kind: 'Told', answer }
}

function silence({ client, silenceSeconds }: WorkerOptions): FedsamError {
  return new FedsamError('Silence', `worker ${client} heard no coordinator for ${silenceSeconds} s`, {
    remedy: 'it starts again by itself; look whether the coordinator and the message bus run',
  })
}
