// The program of a strategy (spec.strategy.program) as a run on one machine starts it: its words, its environment, its folder. It gets the
// variables that trainers get; the hashes of Python follow from the seed, and numerical libraries use one thread, so that a life
// that starts again computes the same.
import { join, resolve } from 'node:path'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { programSeed } from '#protocol/seeds.ts'
import type { ProgramCommand } from './settings.ts'

/** The job, and where it runs. */
export interface ProgramPlace {
  readonly spec: CompleteFederatedJobSpec
  /** The folder of the job file. */
  readonly folder: string
  /** What every trainer inherits. */
  readonly env: Readonly<Record<string, string>>
  /** The output folder. */
  readonly output: string
}

/** How many threads numerical libraries use, by their own variables. `program.env` may say otherwise. */
const THREADS = [
  'OMP_NUM_THREADS',
  'OPENBLAS_NUM_THREADS',
  'MKL_NUM_THREADS',
  'NUMEXPR_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
]

/** Undefined for a job with rounds. */
export function programCommand({ spec, folder, env, output }: ProgramPlace): ProgramCommand | undefined {
  const { type, program } = spec.strategy
  if (type !== 'Program' || program == null) return undefined
  const [name, ...rest] = [...program.command, ...program.args].map((word) => fromJob(word, folder))
  const hashes = Number.parseInt(programSeed(spec.seed).slice(0, 8), 16)
  return {
    command: [name!, ...rest],
    env: {
      ...env,
      PYTHONHASHSEED: String(hashes),
      ...Object.fromEntries(THREADS.map((variable) => [variable, '1'])),
      ...Object.fromEntries(program.env.map(({ name: variable, value }) => [variable, value])),
    },
    // No partition has a name with an underscore.
    folder: join(output, 'scratch', '_program'),
    noProgressSeconds: spec.round.noProgressSeconds,
  }
}

/** The program runs in a folder of its own, so a word that begins with ./ or ../ counts from the job file's folder. */
function fromJob(word: string, folder: string): string {
  return /^\.\.?(\/|$)/.test(word) ? resolve(folder, word) : word
}
