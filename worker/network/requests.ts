// The requests of a client: `next` reports what the client has and gets an instruction, `grant` gets rights to transfers, and the
// last `next` reports that the client leaves. A request without an answer is not an error: each caller repeats its request.
import { encodeJson } from '#protocol/canonical.ts'
import {
  clientInbox,
  clientSubject,
  type Have,
  type NextAnswer,
  readGrantAnswer,
  readNextAnswer,
} from '#protocol/messages.ts'
import { NoAnswer } from '#transport/ports.ts'
import type { Progress, TrainerReady } from '../trainer/seam.ts'
import { type AskGrants, NotWanted } from './grants.ts'
import type { WorkerOptions } from './options.ts'

/** Pause before an unanswered request is repeated, in seconds. */
export const RETRY_SECONDS = 0.5
/** How long the last `next` waits for its answer, in seconds, and how often it is sent. */
const LEAVING_SECONDS = 2
const LEAVING_TRIES = 3
/** Longest text in a message, in characters; protocol/messages.ts allows 2048. */
const LONGEST_TEXT = 2000

/** What a client reports of its trainer before that is ready. */
export const NOT_READY: TrainerReady = { dataset: '', backend: '' }

type SendOptions = Pick<WorkerOptions, 'client' | 'prefix' | 'bus'>
export type RequestOptions = SendOptions & Pick<WorkerOptions, 'incarnation' | 'answerSeconds' | 'trainer'>

interface Position {
  readonly epoch: number
  readonly about: TrainerReady
  readonly have: Have
}

/** Sends one `next`; resolves to undefined where no answer came. */
export async function askNext(options: RequestOptions, position: Position): Promise<NextAnswer | undefined> {
  const { trainer, answerSeconds } = options
  const progress = position.have.state === 'Working' ? progressOf(trainer.progress()) : null
  const answer = await send(options, nextOf(options, position, progress), answerSeconds)
  return answer === undefined ? undefined : readNextAnswer(answer)
}

function nextOf(
  { client, incarnation }: Pick<WorkerOptions, 'client' | 'incarnation'>,
  { about, have, epoch }: Position,
  progress: Progress | null,
): object {
  const dataset = about.dataset.slice(0, LONGEST_TEXT)
  const backend = about.backend.slice(0, LONGEST_TEXT)
  return { kind: 'next', client, incarnation, epoch, dataset, backend, have, progress }
}

/** A trainer may report any numbers and any text; a message holds whole steps and bounded text. */
function progressOf(progress: Progress | null): Progress | null {
  if (progress === null) return null
  const count = (steps: number): number => (Number.isFinite(steps) ? Math.max(0, Math.floor(steps)) : 0)
  const { done, total, message } = progress
  return { done: count(done), total: count(total), message: message.slice(0, LONGEST_TEXT) }
}

/** Reports that this client leaves because the run is over. Gives up after a few tries: the coordinator may have ended first. */
export async function reportLeaving(
  options: SendOptions & Pick<WorkerOptions, 'incarnation'>,
  { about, epoch }: Omit<Position, 'have'>,
): Promise<void> {
  const body = nextOf(options, { about, epoch, have: { state: 'Leaving' } }, null)
  for (let sent = 0; sent < LEAVING_TRIES; sent += 1) {
    if ((await send(options, body, LEAVING_SECONDS)) !== undefined) return
  }
}

/**
 * A function that asks for grants until a coordinator answers. It throws NotWanted when the worker is stopped, or after
 * `silenceSeconds` without an answer.
 */
export function askGrants(
  options: SendOptions &
    Pick<WorkerOptions, 'incarnation' | 'clock' | 'signal' | 'answerSeconds' | 'silenceSeconds'>,
): AskGrants {
  const { client, incarnation, clock, signal, answerSeconds, silenceSeconds } = options
  return async (wants) => {
    const until = clock.now() + silenceSeconds
    for (;;) {
      const answer = await send(options, { kind: 'grant', client, incarnation, wants }, answerSeconds)
      const granted = answer === undefined ? undefined : readGrantAnswer(answer)?.granted
      if (granted?.length === wants.length) return granted
      if (signal.aborted || clock.now() > until)
        throw new NotWanted('no coordinator answered the request for grants')
      await clock.sleep(RETRY_SECONDS, signal)
    }
  }
}

async function send(options: SendOptions, body: object, seconds: number): Promise<Uint8Array | undefined> {
  const { bus, prefix, client } = options
  const limits = { timeoutMs: seconds * 1000, inbox: clientInbox(prefix, client) }
  try {
    return await bus.request(clientSubject(prefix, client), encodeJson(body), limits)
  } catch (error) {
    if (error instanceof NoAnswer) return undefined
    throw error
  }
}
