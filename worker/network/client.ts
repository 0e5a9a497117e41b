// The client's whole story: asks for work, does it, leaves it, asks again. One request is open at any time; it joins, keeps
// alive, reports and acknowledges. Everything it was told can be lost: it says what it has, and is told again.
import { FedsamError } from '#protocol/errors.ts'
import { podExitCode } from '#protocol/exit-codes.ts'
import type { Have, NextAnswer } from '#protocol/messages.ts'
import type { Clock } from '#runtime/clock.ts'
import { createRoom } from '#runtime/reused-buffer.ts'
import type { GrantedTransfers, MessageBus } from '#transport/ports.ts'
import type { Trainer } from '../trainer/seam.ts'
import { hear, type Standing } from './answers.ts'
import { beginWork, type Work } from './background-task.ts'
import type { AskGrants } from './granting.ts'
import { prepareTrainer } from './preparing.ts'
import { askGrants, askNext, sayLeaving } from './requests.ts'
import type { Shelf } from './task.ts'

export interface WorkerOptions {
  readonly client: string
  /** Fresh for every start of a worker. */
  readonly incarnation: string
  /** Subject prefix of the run (protocol/messages.ts). */
  readonly prefix: string
  readonly bus: MessageBus
  readonly transfers: GrantedTransfers
  /** What has to be done before the trainer can start; says what it waits for. */
  readonly prepare?: (ask: AskGrants, say: (message: string) => void) => Promise<void>
  readonly trainer: Trainer
  /** Says who the client is, where the coordinator asks for it. */
  readonly token?: () => Promise<string>
  readonly clock: Clock
  /** For models, updates in the making. */
  readonly folder: string
  /** Longest time that a request may stay unanswered; above the coordinator's hold. Seconds. */
  readonly answerSeconds: number
  /** No coordinator for so long: leave. Seconds. */
  readonly silenceSeconds: number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

/** What the worker knows between two answers. */
interface State extends Standing {
  have: Have
  work: Work | null
  readonly shelf: Shelf
}

/**
 * Serves the run until it is finished; resolves to the coordinator's reason.
 * Throws Silence, Refused, Interrupted, and what the trainer says when it cannot start.
 */
export async function serveRun(options: WorkerOptions): Promise<string> {
  const { clock, trainer } = options
  const state: State = {
    epoch: 0,
    have: { state: 'Idle' },
    work: null,
    heardAt: clock.now(),
    unanswered: 0,
    shelf: { made: null, room: createRoom() },
  }
  let code = 0
  try {
    return await serve(options, state)
  } catch (error) {
    code = podExitCode(error instanceof FedsamError ? error.code : undefined)
    throw error
  } finally {
    state.work?.stop()
    await trainer.close(code)
  }
}

async function serve(options: WorkerOptions, state: State): Promise<string> {
  const { client, clock, signal } = options
  const stopped = untilAborted(signal)
  const prepared = await prepareTrainer(options, state, stopped)
  if (prepared.kind === 'Over') {
    await sayLeaving(options, { ...state, about: { dataset: '', backend: '' } })
    return prepared.reason
  }
  const { about } = prepared
  state.heardAt = clock.now()
  for (;;) {
    if (signal.aborted) throw new FedsamError('Interrupted', `worker ${client} was asked to stop`)
    const news = await nextNews(options, { ...state, about }, stopped)
    const over = await react(options, state, news)
    if (over === undefined) continue
    await sayLeaving(options, { ...state, about })
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

/** An answer, nothing because nobody answered, the end of the local work, or the end of the worker. */
type News = NextAnswer | 'NoAnswer' | 'WorkDone' | 'Stopped'

async function nextNews(
  options: WorkerOptions,
  position: State & { readonly about: { dataset: string; backend: string } },
  stopped: Promise<'Stopped'>,
): Promise<News> {
  const { work } = position
  const answer = askNext(options, position)
  // Whoever is first counts; a request that goes on is answered to nobody.
  answer.catch(() => {})
  const done = work === null ? [] : [work.done.then(() => 'WorkDone' as const)]
  return Promise.race([answer.then((found) => found ?? 'NoAnswer'), stopped, ...done])
}

/** Takes the news; resolves to the reason where the run is over. */
async function react(options: WorkerOptions, state: State, news: News): Promise<string | undefined> {
  if (news === 'Stopped') return undefined
  if (news === 'WorkDone') {
    state.have = await state.work!.done
    state.work = null
    return undefined
  }
  const heard = await hear(options, state, news)
  if (heard.kind === 'Over') return heard.reason
  if (heard.kind === 'Nothing') return undefined
  const { answer } = heard
  if (answer.kind === 'cancel') {
    await state.work?.cancel()
    state.work = null
    state.have = { state: 'Idle' }
  }
  if (answer.kind === 'task') await take(options, state, answer)
  return undefined
}

/** Begins the task; work that is under way from the same base with the same seed goes on under the new name. */
async function take(
  options: WorkerOptions,
  state: State,
  { task, epoch }: Extract<NextAnswer, { kind: 'task' }>,
): Promise<void> {
  if (state.work === null || !state.work.rename(task)) {
    await state.work?.cancel()
    state.work = null
    state.work = beginWork({ ...options, ask: askGrants(options), shelf: state.shelf }, task)
  }
  state.have = { state: 'Working', round: task.round, attempt: task.attempt, epoch }
}
