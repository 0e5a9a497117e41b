// The other end of the seam for trainers written in TypeScript: reads calls from standard input, one at a time, and answers.
import { createInterface } from 'node:readline'
import { FedsamError } from '#protocol/errors.ts'
import type { TrainerCall, TrainerLine } from './seam.ts'

/** A trainer's own work. `report` writes a progress line. */
export interface TrainerWork {
  readonly dataset: string
  readonly backend: string
  getParameters(output: string): Promise<void>
  fit(
    call: Extract<TrainerCall, { call: 'fit' }>,
    report: Report,
  ): Promise<{ num_examples: number; metrics: Record<string, number> }>
  evaluate(
    call: Extract<TrainerCall, { call: 'evaluate' }>,
    report: Report,
  ): Promise<{ loss: number; num_examples: number; metrics: Record<string, number> }>
}

/** Writes a progress line: who reports nothing for noProgressSeconds is ended. */
export type Report = (done: number, total: number, message?: string) => void

/** Serves the seam until the input ends. `open` may take long, and reports; its error is told as one line and ends the process with 1. */
export async function serveTrainer(open: (report: Report) => Promise<TrainerWork>): Promise<void> {
  const say = (line: TrainerLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
  const complain = (error: unknown, id?: number): void => {
    const { code, message, remedy } =
      error instanceof FedsamError ? error : { code: 'TrainerFailed', message: String(error), remedy: '' }
    if (!(error instanceof FedsamError)) console.error(error)
    say({ type: 'error', ...(id === undefined ? {} : { id }), code, message, remedy })
  }
  const report: Report = (done, total, message = '') => say({ type: 'progress', done, total, message })
  let work: TrainerWork
  try {
    work = await open(report)
  } catch (error) {
    complain(error)
    process.exitCode = 1
    return
  }
  say({ type: 'ready', dataset: work.dataset, backend: work.backend })
  for await (const text of createInterface({ input: process.stdin })) {
    const call = JSON.parse(text) as TrainerCall
    try {
      say(await answer(work, call, report))
    } catch (error) {
      complain(error, call.id)
    }
  }
}

async function answer(work: TrainerWork, call: TrainerCall, report: Report): Promise<TrainerLine> {
  switch (call.call) {
    case 'get_parameters':
      await work.getParameters(call.output)
      return { type: 'parameters', id: call.id }
    case 'fit':
      return { type: 'fitted', id: call.id, ...(await work.fit(call, report)) }
    case 'evaluate':
      return { type: 'evaluated', id: call.id, ...(await work.evaluate(call, report)) }
  }
}
