// The requests of a client: `next` reports what the client has and gets an instruction, `grant` gets rights to transfers, and the
// last `next` reports that the client leaves. A request without an answer is not an error: each caller repeats its request.
import { type Have, type NextAnswer, readGrantAnswer, readNextAnswer } from '#protocol/messages.ts'
import { shortened } from '#protocol/text.ts'
import type { Progress, TrainerReady } from '../trainer/seam.ts'
import type { Conversation } from './conversation.ts'
import { type AskGrants, NotWanted } from './grants.ts'
import type { WorkerOptions } from './options.ts'

/** Pause before an unanswered request is repeated, in seconds. */
export const RETRY_SECONDS = 0.5
/** How long the last `next` waits for its answer, in seconds, and how often it is sent. */
const LEAVING_SECONDS = 2
const LEAVING_TRIES = 3
/** Longest text in a message, in characters; protocol/messages.ts allows 2048. */
export const LONGEST_TEXT = 2000

/** What a client reports of its trainer before that is ready. */
export const NOT_READY: TrainerReady = { dataset: '', backend: '' }

interface SendOptions extends Pick<WorkerOptions, 'client' | 'incarnation'> {
  readonly conversation: Conversation
}
export type RequestOptions = SendOptions & Pick<WorkerOptions, 'answerSeconds' | 'trainer'>

interface Position {
  readonly about: TrainerReady
  readonly have: Have
}

/** Sends one `next`; resolves to undefined where no answer came. */
export async function askNext(options: RequestOptions, position: Position): Promise<NextAnswer | undefined> {
  const { trainer, answerSeconds, conversation } = options
  const progress = position.have.state === 'Working' ? progressOf(trainer.progress()) : null
  return conversation.send(nextOf(options, position, progress), answerSeconds, readNextAnswer)
}

function nextOf(
  { client, incarnation, conversation }: SendOptions,
  { about, have }: Position,
  progress: Progress | null,
): object {
  const dataset = about.dataset.slice(0, LONGEST_TEXT)
  const backend = about.backend.slice(0, LONGEST_TEXT)
  const ignored = conversation.ignored()
  return { kind: 'next', client, incarnation, dataset, backend, have, ignored, progress }
}

/** A trainer may report any numbers and any text; a message holds whole steps and bounded text. */
function progressOf(progress: Progress | null): Progress | null {
  if (progress === null) return null
  const count = (steps: number): number => (Number.isFinite(steps) ? Math.max(0, Math.floor(steps)) : 0)
  const { done, total, message } = progress
  return { done: count(done), total: count(total), message: shortened(message, LONGEST_TEXT) }
}

/** Reports that this client stops and may come back, with the reason. Tried once: who stops it may not wait for long. */
export async function reportStopping(options: SendOptions, message: string): Promise<void> {
  const body = nextOf(options, { about: NOT_READY, have: { state: 'Preparing', message } }, null)
  await options.conversation.send(body, LEAVING_SECONDS, readNextAnswer)
}

/** Reports why this client does not understand the coordinator: one of an earlier release cannot see it by itself. Tried once. */
export async function reportOtherVersion(options: SendOptions, message: string): Promise<void> {
  const have = { state: 'Declined', message: shortened(message, LONGEST_TEXT) } as const
  await options.conversation.send(
    nextOf(options, { about: NOT_READY, have }, null),
    LEAVING_SECONDS,
    readNextAnswer,
  )
}

/** Reports that this client leaves because the run is over. Gives up after a few tries: the coordinator may have ended first. */
export async function reportLeaving(options: SendOptions, about: TrainerReady): Promise<void> {
  const body = nextOf(options, { about, have: { state: 'Leaving' } }, null)
  for (let sent = 0; sent < LEAVING_TRIES; sent += 1) {
    if ((await options.conversation.send(body, LEAVING_SECONDS, readNextAnswer)) !== undefined) return
  }
}

/** A client that left the job, or whose key the job no longer names, is refused as a whole. */
function readGrantsOrRefusal(body: Uint8Array) {
  const answer = readGrantAnswer(body) ?? readNextAnswer(body)
  return answer?.kind === 'granted' || answer?.kind === 'refused' ? answer : undefined
}

/**
 * A function that asks for grants until a coordinator answers. It throws NotWanted when the coordinator refuses the client, when the
 * worker is stopped, or after `silenceSeconds` without an answer.
 */
export function askGrants(
  options: SendOptions & Pick<WorkerOptions, 'clock' | 'signal' | 'answerSeconds' | 'silenceSeconds'>,
): AskGrants {
  const { client, incarnation, conversation, clock, signal, answerSeconds, silenceSeconds } = options
  return async (wants) => {
    const until = clock.now() + silenceSeconds
    for (;;) {
      const request = { kind: 'grant', client, incarnation, wants }
      const answer = await conversation.send(request, answerSeconds, readGrantsOrRefusal)
      if (answer?.kind === 'refused') throw new NotWanted(answer.reason)
      if (answer?.granted.length === wants.length) return answer.granted
      if (signal.aborted || clock.now() > until)
        throw new NotWanted('no coordinator answered the request for grants')
      await clock.sleep(RETRY_SECONDS, signal)
    }
  }
}
