// The trainer's end of the seam for trainers in TypeScript: reads calls from standard input, one at a time, and answers them.
// The end of the input ends the process at any time, even while the trainer still starts.
import { PassThrough } from 'node:stream'
import { FedsamError } from '#protocol/errors.ts'
import { podExitCode } from '#protocol/exit-codes.ts'
import { LONGEST_LINE, readLines } from '#runtime/children/lines.ts'
import { exitProcess } from '#runtime/engine.ts'
import { leaveLastWord, unexpectedWord } from '#runtime/termination-message.ts'
import { readTrainerCall, type TrainerCall, type TrainerLine } from './seam.ts'

/** The calls that a trainer implements. `report` writes a progress line; `state` is the file of a new state, call.state_output. */
export interface TrainerWork {
  readonly dataset: string
  readonly backend: string
  getParameters(output: string): Promise<void>
  fit(
    call: Extract<TrainerCall, { call: 'fit' }>,
    report: Report,
  ): Promise<{ num_examples: number; metrics: Record<string, number>; state?: string | undefined }>
  evaluate(
    call: Extract<TrainerCall, { call: 'evaluate' }>,
    report: Report,
  ): Promise<{
    loss: number
    num_examples: number
    metrics: Record<string, number>
    state?: string | undefined
  }>
  /** Writes the reply to call.output, or returns an error of its own. Absent: it takes no messages. */
  message?(
    call: Extract<TrainerCall, { call: 'message' }>,
    report: Report,
  ): Promise<{ error?: { code: number; reason: string } | null; state?: string | undefined }>
}

/** A call for which a trainer has no function. */
function noMessages(): FedsamError {
  return new FedsamError('TrainerFailed', 'this trainer takes no messages of a strategy that is a program', {
    remedy: 'choose another strategy, or a trainer that answers messages (docs/trainer-seam.md)',
  })
}

/** Writes a progress line. A trainer without progress for noProgressSeconds is killed. */
export type Report = (done: number, total: number, message?: string) => void

/**
 * Serves the seam until the input ends. `open` may take long, and reports progress. An error of `open` is written as one line, in
 * a pod also as the termination message, and ends the process with the error's exit code.
 */
export async function serveTrainer(open: (report: Report) => Promise<TrainerWork>): Promise<void> {
  // The network half has ended, so no process reads the answers.
  process.stdout.once('error', () => exitProcess(podExitCode('TrainerFailed')))
  const { stdin } = process
  const leave = (): never => exitProcess(0)
  const end = (error: unknown): never => {
    leaveLastWord(process.env, complain(error))
    exitProcess(podExitCode(error instanceof FedsamError ? error.code : undefined))
  }
  // An error in a library's own callback, or a call that is not JSON.
  process.once('uncaughtException', end)
  const lines = new PassThrough({ objectMode: true })
  const onTooLong = (): never =>
    end(
      new FedsamError('TrainerFailed', `a call has more than ${LONGEST_LINE} bytes`, {
        remedy: 'use the same version of FedSAM and its trainer',
      }),
    )
  readLines(stdin, { most: LONGEST_LINE, onLine: (line) => lines.write(line), onTooLong })
  stdin.once('end', () => lines.end()).once('end', leave)
  const work = await Promise.try(open, report).catch(end)
  stdin.off('end', leave)
  say({ type: 'ready', dataset: work.dataset, backend: work.backend })
  for await (const line of lines) {
    let id: number | undefined
    try {
      const call = readTrainerCall(line as string)
      id = call.id
      say(await answer(work, call))
    } catch (error) {
      complain(error, id)
    }
  }
}

function say(line: TrainerLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function report(done: number, total: number, message = ''): void {
  say({ type: 'progress', done, total, message })
}

function complain(error: unknown, id?: number): { code: string; message: string; remedy: string } {
  const { code, message, remedy } =
    error instanceof FedsamError ? error : { ...unexpectedWord(error), code: 'TrainerFailed' }
  say({ type: 'error', ...(id === undefined ? {} : { id }), code, message, remedy })
  return { code, message, remedy }
}

async function answer(work: TrainerWork, call: TrainerCall): Promise<TrainerLine> {
  switch (call.call) {
    case 'get_parameters':
      await work.getParameters(call.output)
      return { type: 'parameters', id: call.id }
    case 'fit':
      return { type: 'fitted', id: call.id, state: undefined, ...(await work.fit(call, report)) }
    case 'message':
      if (work.message === undefined) throw noMessages()
      return {
        type: 'replied',
        id: call.id,
        error: null,
        state: undefined,
        ...(await work.message(call, report)),
      }
    case 'evaluate':
      return { type: 'evaluated', id: call.id, state: undefined, ...(await work.evaluate(call, report)) }
  }
}
