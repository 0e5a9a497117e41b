// The network half of a worker as a program: chooses NATS and granted URLs, starts its trainer, serves the run to its end.
import { randomBytes } from 'node:crypto'
import { systemClock } from '#transport/clock.ts'
import { natsOptions, requireVariables } from '#transport/environment.ts'
import { createGrantedTransfers } from '#transport/granted.ts'
import { connectNats } from '#transport/nats.ts'
import { runProgram } from '#transport/process.ts'
import { serveRun } from './round.ts'
import { type ChildTrainerOptions, childTrainer } from './trainer/child.ts'

/** What FEDSAM_TRAINER holds: the program that trains. */
export type TrainerProgram = Pick<ChildTrainerOptions, 'command' | 'env' | 'cwd'>

/** Well above the time that a coordinator holds a request open. */
const ANSWER_SECONDS = 30

await runProgram(process.env, async (signal) => {
  const names = [
    'FEDSAM_CLIENT',
    'FEDSAM_SUBJECTS',
    'FEDSAM_SCRATCH',
    'FEDSAM_TRAINER',
    'FEDSAM_NO_PROGRESS_SECONDS',
  ] as const
  const variables = requireVariables(process.env, names)
  const client = variables.FEDSAM_CLIENT
  const program = JSON.parse(variables.FEDSAM_TRAINER) as TrainerProgram
  const clock = systemClock()
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const bus = await connectNats(natsOptions(process.env, `worker-${client}`))
  try {
    await serveRun({
      client,
      incarnation: randomBytes(8).toString('hex'),
      prefix: variables.FEDSAM_SUBJECTS,
      bus,
      transfers: createGrantedTransfers(),
      trainer: childTrainer({
        ...program,
        noProgressSeconds: Number(variables.FEDSAM_NO_PROGRESS_SECONDS),
        clock,
        log,
      }),
      clock,
      folder: variables.FEDSAM_SCRATCH,
      answerSeconds: Number(process.env.FEDSAM_ANSWER_SECONDS ?? ANSWER_SECONDS),
      silenceSeconds: 600,
      log,
      signal,
    })
  } finally {
    await bus.close()
  }
})
