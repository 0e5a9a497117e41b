// The client's whole story: asks for work, does it, leaves it, asks again. One request is open at any time; it joins, keeps
// alive, reports and acknowledges. Everything it was told can be lost: it says what it has, and is told again.
import { join } from 'node:path'
import { encodeJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import {
  clientInbox,
  clientSubject,
  type Have,
  type NextAnswer,
  readGrantAnswer,
  readNextAnswer,
  type Task,
} from '#protocol/messages.ts'
import type { Clock } from '#transport/clock.ts'
import { type GrantedTransfers, type MessageBus, NoAnswer } from '#transport/ports.ts'
import { doTask } from './task.ts'
import type { Trainer } from './trainer/seam.ts'
import { type AskGrants, NotWanted } from './transfers.ts'

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

/** Work in progress; `task` may be renamed to a later attempt at the same round. */
interface Work {
  task: Task
  readonly done: Promise<Have>
}

/** Pause before a request is repeated that nobody answered. Seconds. */
const RETRY_SECONDS = 0.5

/** Serves the run until it is finished; resolves to the coordinator's reason. Throws Silence, Superseded (refused), Interrupted. */
export async function serveRun(options: WorkerOptions): Promise<string> {
  const { clock, trainer, signal, silenceSeconds } = options
  const about = await trainer.ready()
  let epoch = 0
  let have: Have = { state: 'Idle' }
  let work: Work | null = null
  let heardAt = clock.now()

  try {
    for (;;) {
      if (signal.aborted) throw new FedsamError('Interrupted', `worker ${options.client} was asked to stop`)
      const answer = await askNext(options, { about, have, work })
      if (answer === 'WorkDone') {
        have = await work!.done
        work = null
        continue
      }
      if (answer === undefined) {
        if (clock.now() - heardAt > silenceSeconds) throw silence(options)
        await clock.sleep(RETRY_SECONDS, signal)
        continue
      }
      heardAt = clock.now()
      if (answer.epoch < epoch) continue // an older coordinator that does not know yet
      epoch = answer.epoch
      if (answer.kind === 'finished') return answer.reason
      if (answer.kind === 'refused') throw new FedsamError('Superseded', `worker ${options.client} was refused: ${answer.reason}`)
      if (answer.kind === 'cancel') {
        if (work !== null) await drop(options, work)
        work = null
        have = { state: 'Idle' }
      }
      if (answer.kind === 'task') {
        work = await take(options, work, answer.task)
        have = { state: 'Working', round: work.task.round, attempt: work.task.attempt, epoch }
      }
    }
  } finally {
    await trainer.close()
  }
}

function silence({ client, silenceSeconds }: WorkerOptions): FedsamError {
  return new FedsamError('Silence', `worker ${client} heard no coordinator for ${silenceSeconds} s`, {
    remedy: 'it starts again by itself; look whether the coordinator and the message bus run',
  })
}

interface Position {
  readonly about: { dataset: string; backend: string }
  readonly have: Have
  readonly work: Work | null
}

/** One `next`; undefined when nobody answered; 'WorkDone' as soon as the work is done, whatever the request does. */
async function askNext(options: WorkerOptions, position: Position): Promise<NextAnswer | 'WorkDone' | undefined> {
  const { client, incarnation, bus, prefix, trainer, answerSeconds } = options
  const { about, have, work } = position
  const progress = work === null ? null : trainer.progress()
  const request = encodeJson({ kind: 'next', client, incarnation, ...about, have, progress })
  const answer = bus
    .request(clientSubject(prefix, client), request, { timeoutMs: answerSeconds * 1000, inbox: clientInbox(prefix, client) })
    .then(readNextAnswer, (error: unknown) => {
      if (error instanceof NoAnswer) return undefined
      throw error
    })
  if (work === null) return answer
  answer.catch(() => {})
  return Promise.race([answer, work.done.then(() => 'WorkDone' as const)])
}

/** Begins the task; work that is already under way from the same base with the same seed goes on under the new name. */
async function take(options: WorkerOptions, work: Work | null, task: Task): Promise<Work> {
  if (work !== null) {
    const same = work.task.kind === task.kind && work.task.seed === task.seed && work.task.base?.sha256 === task.base?.sha256
    if (same) {
      work.task = task
      return work
    }
    await drop(options, work)
  }
  const begun: { task: Task; done: Promise<Have> } = { task, done: Promise.resolve<Have>({ state: 'Idle' }) }
  begun.done = perform(options, begun)
  return begun
}

async function drop(options: WorkerOptions, work: Work): Promise<void> {
  await options.trainer.cancel()
  await work.done
}

/** Does the work; never rejects: what went wrong is what the client has to say. */
async function perform(options: WorkerOptions, work: { task: Task }): Promise<Have> {
  const { client, incarnation, transfers, trainer, log } = options
  const at = (): { round: number; attempt: number; epoch: number } => {
    const { round, attempt, epoch } = work.task
    return { round, attempt, epoch }
  }
  try {
    const { dataset } = await trainer.ready()
    const ask = askGrants(options)
    const folder = join(options.folder, 'models')
    await doTask({ task: () => work.task, client, incarnation, dataset, ask, transfers, trainer, folder, scratch: options.folder })
    return { state: 'Left', ...at() }
  } catch (error) {
    if (error instanceof NotWanted) {
      log(`round ${work.task.round}: dropped: ${error.message}`)
      return { state: 'Idle' }
    }
    const { code, message } = error instanceof FedsamError ? error : { code: 'TrainerFailed', message: String(error) }
    log(`round ${work.task.round}: ${message}`)
    return { state: 'Failed', ...at(), code, message: message.slice(0, 2000) }
  }
}

/** Asks for grants until somebody answers or the worker is stopped. */
function askGrants(options: WorkerOptions): AskGrants {
  const { bus, prefix, client, incarnation, clock, signal, answerSeconds, silenceSeconds } = options
  return async (wants) => {
    const body = encodeJson({ kind: 'grant', client, incarnation, wants })
    const until = clock.now() + silenceSeconds
    for (;;) {
      try {
        const timeoutMs = answerSeconds * 1000
        const answer = readGrantAnswer(
          await bus.request(clientSubject(prefix, client), body, { timeoutMs, inbox: clientInbox(prefix, client) }),
        )
        if (answer !== undefined && answer.granted.length === wants.length) return answer.granted
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
      }
      if (signal.aborted || clock.now() > until) throw new NotWanted('no coordinator gave grants')
      await clock.sleep(RETRY_SECONDS, signal)
    }
  }
}
