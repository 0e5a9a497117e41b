// The requests of a client: `next` with what it has, `grant` when it needs URLs, and the last word. Nobody's answer is no
// error here: whoever asks, asks again.
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
import type { Progress } from '../trainer/seam.ts'
import type { WorkerOptions } from './client.ts'
import { type AskGrants, NotWanted } from './granting.ts'

/** Pause before a request is repeated that nobody answered. Seconds. */
export const RETRY_SECONDS = 0.5
/** How long the last word waits for its answer, and how often it is said. */
const LEAVING_SECONDS = 2
const LEAVING_TRIES = 3
/** Longest text that a message may hold (protocol/messages.ts). */
const LONGEST_TEXT = 2000

type Asking = Pick<
  WorkerOptions,
  'client' | 'incarnation' | 'prefix' | 'bus' | 'answerSeconds' | 'trainer' | 'token'
>

interface Position {
  readonly epoch: number
  readonly about: { readonly dataset: string; readonly backend: string }
  readonly have: Have
}

/** One `next`; undefined when nobody answered. */
export async function askNext(asking: Asking, position: Position): Promise<NextAnswer | undefined> {
  const { client, incarnation, trainer, answerSeconds } = asking
  const { about, have, epoch } = position
  const body = {
    kind: 'next',
    client,
    incarnation,
    epoch,
    dataset: about.dataset.slice(0, LONGEST_TEXT),
    backend: about.backend.slice(0, LONGEST_TEXT),
    have,
    progress: have.state === 'Working' ? progressOf(trainer.progress()) : null,
  }
  const answer = await request(asking, body, answerSeconds)
  return answer === undefined ? undefined : readNextAnswer(answer)
}

/** A trainer may report what it likes; a message holds whole steps and bounded words. */
function progressOf(progress: Progress | null): Progress | null {
  if (progress === null) return null
  const count = (steps: number): number => (Number.isFinite(steps) ? Math.max(0, Math.floor(steps)) : 0)
  const { done, total, message } = progress
  return { done: count(done), total: count(total), message: message.slice(0, LONGEST_TEXT) }
}

/** Tells the coordinator that this client heard the end. It may be gone already. */
export async function sayLeaving(asking: Asking, { about, epoch }: Position): Promise<void> {
  const { client, incarnation } = asking
  const body = {
    kind: 'next',
    client,
    incarnation,
    epoch,
    ...about,
    have: { state: 'Leaving' },
    progress: null,
  }
  for (let said = 0; said < LEAVING_TRIES; said += 1) {
    if ((await request(asking, body, LEAVING_SECONDS)) !== undefined) return
  }
}

/** Asks for grants until somebody answers; NotWanted when the worker is stopped or nobody answers for silenceSeconds. */
export function askGrants(
  options: Asking & Pick<WorkerOptions, 'clock' | 'signal' | 'silenceSeconds'>,
): AskGrants {
  const { client, incarnation, clock, signal, answerSeconds, silenceSeconds } = options
  return async (wants) => {
    const until = clock.now() + silenceSeconds
    for (;;) {
      const answer = await request(options, { kind: 'grant', client, incarnation, wants }, answerSeconds)
      const granted = answer === undefined ? undefined : readGrantAnswer(answer)?.granted
      if (granted?.length === wants.length) return granted
      if (signal.aborted || clock.now() > until) throw new NotWanted('no coordinator gave grants')
      await clock.sleep(RETRY_SECONDS, signal)
    }
  }
}

async function request(asking: Asking, body: object, seconds: number): Promise<Uint8Array | undefined> {
  const { bus, prefix, client } = asking
  const options = { timeoutMs: seconds * 1000, inbox: clientInbox(prefix, client) }
  // Read for every request: it is renewed while we run.
  const token = (await asking.token?.()) ?? ''
  try {
    return await bus.request(clientSubject(prefix, client), encodeJson({ ...body, token }), options)
  } catch (error) {
    if (error instanceof NoAnswer) return undefined
    throw error
  }
}
