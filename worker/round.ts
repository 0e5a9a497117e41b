// The client's whole story: asks for work, does it, leaves it, asks again. One request is open at any time; it joins, keeps
// alive, reports and acknowledges. Everything it was told can be lost: it says what it has, and is told again.
import { FedsamError } from '#protocol/errors.ts'
import type { Have, NextAnswer } from '#protocol/messages.ts'
import type { Clock } from '#transport/clock.ts'
import type { GrantedTransfers, MessageBus } from '#transport/ports.ts'
import { askGrants, askNext, RETRY_SECONDS, sayLeaving } from './asking.ts'
import type { Shelf } from './task.ts'
import type { Trainer } from './trainer/seam.ts'
import { beginWork, type Work } from './work.ts'

export interface WorkerOptions {
  readonly client: string
  /** Fresh for every start of a worker. */
  readonly incarnation: string
  /** Subject prefix of the run (protocol/messages.ts). */
  readonly prefix: string
  readonly bus: MessageBus
  readonly transfers: GrantedTransfers
  readonly trainer: Trainer
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

const FIRST_RETRY_SECONDS = 0.02

/** What the worker knows between two answers. */
interface State {
  epoch: number
  have: Have
  work: Work | null
  heardAt: number
  /** Requests in a row that nobody answered. */
  unanswered: number
  readonly shelf: Shelf
}

/**
 * Serves the run until it is finished; resolves to the coordinator's reason.
 * Throws Silence, Superseded (it was refused), Interrupted, and what the trainer says when it cannot start.
 */
export async function serveRun(options: WorkerOptions): Promise<string> {
  const { clock, trainer, signal } = options
  const stopped = untilAborted(signal)
  const state: State = {
    epoch: 0,
    have: { state: 'Idle' },
    work: null,
    heardAt: clock.now(),
    unanswered: 0,
    shelf: { made: null },
  }
  try {
    const about = await Promise.race([trainer.ready(), stopped.then(() => undefined)])
    state.heardAt = clock.now()
    for (;;) {
      if (signal.aborted || about === undefined) {
        throw new FedsamError('Interrupted', `worker ${options.client} was asked to stop`)
      }
      const news = await nextNews(options, { ...state, about }, stopped)
      const over = await react(options, state, news)
      if (over === undefined) continue
      await sayLeaving(options, { ...state, about })
      return over
    }
  } finally {
    state.work?.stop()
    await trainer.close()
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
  const { client, clock, signal, silenceSeconds } = options
  if (news === 'Stopped') return undefined
  if (news === 'WorkDone') {
    state.have = await state.work!.done
    state.work = null
    return undefined
  }
  if (news === 'NoAnswer') {
    if (clock.now() - state.heardAt > silenceSeconds) throw silence(options)
    // The first tries follow quickly: a coordinator that starts beside us is there in a moment.
    await clock.sleep(Math.min(RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** state.unanswered), signal)
    state.unanswered += 1
    return undefined
  }
  state.heardAt = clock.now()
  state.unanswered = 0
  if (news.epoch < state.epoch) {
    // An older coordinator that does not know yet: the newer one should be asked, a moment later.
    await clock.sleep(RETRY_SECONDS, signal)
    return undefined
  }
  state.epoch = news.epoch
  if (news.kind === 'finished') return news.reason
  if (news.kind === 'refused') {
    throw new FedsamError('Superseded', `worker ${client} was refused: ${news.reason}`)
  }
  if (news.kind === 'cancel') {
    await state.work?.cancel()
    state.work = null
    state.have = { state: 'Idle' }
  }
  if (news.kind === 'task') await take(options, state, news)
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

function silence({ client, silenceSeconds }: WorkerOptions): FedsamError {
  return new FedsamError('Silence', `worker ${client} heard no coordinator for ${silenceSeconds} s`, {
    remedy: 'it starts again by itself; look whether the coordinator and the message bus run',
  })
}
