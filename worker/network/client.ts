// The client's loop: asks the coordinator for work, does it, uploads the outcome, asks again. One request is open at any time: it
// joins, keeps alive, reports and acknowledges. Any answer may be lost: each request states what the client has, so the
// coordinator repeats it.
import { FedsamError } from '#protocol/errors.ts'
import { podExitCode } from '#protocol/exit-codes.ts'
import type { Have, NextAnswer, Task } from '#protocol/messages.ts'
import { createReusedBuffer } from '#runtime/reused-buffer.ts'
import type { TrainerReady } from '../trainer/seam.ts'
import { type Contact, type ReceiveOptions, type RunOver, receive } from './answers.ts'
import { type BackgroundTask, startTask } from './background-task.ts'
import { type Conversation, openConversation } from './conversation.ts'
import { messageWithRemedy } from './error-message.ts'
import type { WorkerOptions } from './options.ts'
import {
  askGrants,
  askNext,
  NOT_READY,
  type RequestOptions,
  reportLeaving,
  reportOtherVersion,
  reportStopping,
} from './requests.ts'
import { discard, type Unsent } from './task.ts'
import { prepareTrainer } from './trainer-start.ts'

/** What the client knows between two answers. */
interface State extends Contact {
  have: Have
  running: BackgroundTask | null
}

type Start = (task: Task) => BackgroundTask

/**
 * Serves the run until it is finished; resolves to what the coordinator says of its end.
 * Throws Silence, Refused, OtherVersion, Interrupted, and the trainer's error where it cannot start.
 */
export async function serveRun(options: WorkerOptions): Promise<RunOver> {
  const { clock, trainer } = options
  const state: State = {
    epoch: 0,
    have: { state: 'Idle' },
    running: null,
    answeredAt: clock.now(),
    unanswered: 0,
  }
  const conversation = openConversation(options)
  const unsent: Unsent = { outcome: null, buffer: createReusedBuffer(), line: { needsPieces: false } }
  let code = 0
  try {
    return await serve({ ...options, conversation, unsent }, state)
  } catch (error) {
    code = podExitCode(error instanceof FedsamError ? error.code : undefined)
    if (error instanceof FedsamError && error.code === 'OtherVersion')
      await reportOtherVersion({ ...options, conversation }, messageWithRemedy(error)).catch(() => {})
    throw error
  } finally {
    state.running?.stop()
    await trainer.close(code)
    if (options.signal.aborted && options.farewell !== undefined)
      await reportStopping({ ...options, conversation }, options.farewell).catch(() => {})
    const discarded = (state.running?.done ?? Promise.resolve()).then(() => discard(unsent))
    // A task that still transfers ends by its own limits; nobody waits for it.
    if (state.running === null) await discarded
  }
}

async function serve(
  options: WorkerOptions & { readonly conversation: Conversation; readonly unsent: Unsent },
  state: State,
): Promise<RunOver> {
  const { client, clock, signal, unsent } = options
  const stopped = untilAborted(signal)
  const prepared = await prepareTrainer(options, state, stopped)
  if (prepared.kind === 'Finished') {
    await reportLeaving(options, NOT_READY)
    return prepared
  }
  const { about } = prepared
  const start: Start = (task) => startTask({ ...options, ask: askGrants(options), unsent }, task)
  state.answeredAt = clock.now()
  for (;;) {
    if (signal.aborted) throw new FedsamError('Interrupted', `worker ${client} was asked to stop`)
    const news = await nextNews(options, { ...state, about }, stopped)
    const over = await react({ ...options, start }, state, news)
    if (over === undefined) continue
    await reportLeaving(options, about)
    return over
  }
}

/** Resolves when the signal is aborted. */
function untilAborted(signal: AbortSignal): Promise<'Stopped'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('Stopped')
    else signal.addEventListener('abort', () => resolve('Stopped'), { once: true })
  })
}

/** An answer, a request without an answer, the end of the local work, or the end of the worker. */
type News = NextAnswer | 'NoAnswer' | 'WorkDone' | 'Stopped'

async function nextNews(
  options: RequestOptions,
  state: State & { readonly about: TrainerReady },
  stopped: Promise<'Stopped'>,
): Promise<News> {
  const { running } = state
  const answer = askNext(options, state)
  // Only the first event counts. A request that is still open then has nobody left to handle its failure.
  answer.catch(() => {})
  const done = running === null ? [] : [running.done.then(() => 'WorkDone' as const)]
  return Promise.race([answer.then((found) => found ?? 'NoAnswer'), stopped, ...done])
}

/** Updates the state by the news; resolves to the end where the run is over. */
async function react(
  options: ReceiveOptions & Pick<WorkerOptions, 'trainer'> & { readonly start: Start },
  state: State,
  news: News,
): Promise<RunOver | undefined> {
  if (news === 'Stopped') return undefined
  if (news === 'WorkDone') {
    state.have = await state.running!.done
    state.running = null
    // Nobody needs the trainer any more. The client stays, to repeat why it declined and to learn the end.
    if (state.have.state === 'Declined') await options.trainer.close()
    return undefined
  }
  const received = await receive(options, state, news)
  if (received.kind === 'Finished') return received
  if (received.kind === 'Nothing' || state.have.state === 'Declined') return undefined
  const { answer } = received
  if (answer.kind === 'cancel') {
    await state.running?.cancel()
    state.running = null
    state.have = { state: 'Idle' }
  }
  if (answer.kind === 'task') await acceptTask(options.start, state, answer)
  return undefined
}

/** Starts the task, unless a running task from the same base with the same seed can continue as this one. */
async function acceptTask(
  start: Start,
  state: State,
  { task, epoch }: Extract<NextAnswer, { kind: 'task' }>,
): Promise<void> {
  if (state.running === null || !state.running.rename(task)) {
    await state.running?.cancel()
    state.running = null
    state.running = start(task)
  }
  state.have = { state: 'Working', round: task.round, attempt: task.attempt, epoch }
}
