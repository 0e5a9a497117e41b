// Decides what a local run does with its output folder: begin, resume, continue a finished run with more rounds, or nothing.
// Reads no file. Refuses a job that does not fit the folder, and names the differences.
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { type Difference, differences } from '../job/differences.ts'
import { show } from '../job/problem.ts'

/** In one process with the record in the output folder, or in several with the record in the S3 server's bucket. */
export type RunKind = 'OneProcess' | 'Processes'

/** The facts of a run in the folder. */
export interface RecordFacts {
  readonly kind: RunKind
  readonly name: string
  /** The part of the spec that never changes. */
  readonly spec: Readonly<Record<string, unknown>>
  /** The spec of the run's last start; null if it is unknown. */
  readonly lastSpec: Readonly<Record<string, unknown>> | null
  /** Training rounds with a result. */
  readonly rounds: number
  /** Whether the output is complete. */
  readonly complete: boolean
  /** Why training ended before the last round; null if it did not. */
  readonly stopped: string | null
  /** The kind of the attempt after the last of these rounds; null if no attempt follows. */
  readonly next: 'Train' | 'Evaluate' | 'Initialise' | null
}

/** The job that is to run. */
export interface WantedRun {
  readonly output: string
  readonly kind: RunKind
  readonly name: string
  /** The part of the spec that never changes. */
  readonly fixedSpec: Readonly<Record<string, unknown>>
  /** The whole spec. */
  readonly spec: Readonly<Record<string, unknown>>
  readonly rounds: number
}

export type OutputState =
  | { readonly kind: 'Begin' }
  /** `aside`: the round whose attempt has changed its purpose, and moves to replaced/ before the run starts. */
  | { readonly kind: 'Resume'; readonly aside: number | null }
  /** The output is complete, and the job asks for more rounds. */
  | { readonly kind: 'Continue'; readonly from: number; readonly aside: number | null }
  | { readonly kind: 'Complete' }

const FLAG: Readonly<Record<RunKind, string>> = {
  OneProcess: 'remove --processes',
  Processes: 'add --processes',
}

/** The decision for a job. `record` is null for a folder without a run. Throws OutputInUse. */
export function decideOutput(wanted: WantedRun, record: RecordFacts | null): OutputState {
  if (record === null) return { kind: 'Begin' }
  const { output } = wanted
  if (record.kind !== wanted.kind) {
    const where = record.kind === 'Processes' ? 'several processes' : 'one process'
    throw inUse(`${output} holds the record of a run in ${where}`, FLAG[record.kind])
  }
  const foreign = [
    ...(record.name === wanted.name ? [] : [{ path: 'metadata.name', from: record.name, to: wanted.name }]),
    ...differences(record.spec, wanted.fixedSpec, 'spec'),
    ...changedVariables(record, wanted),
  ]
  if (foreign.length > 0) {
    throw inUse(
      `${output} holds the run of another job: ${sentence(foreign)}`,
      'run the job with its earlier values',
    )
  }
  const aside = record.next === purposeOf(wanted, record) ? null : asideOf(record)
  if (!record.complete) return { kind: 'Resume', aside }
  return decideComplete(wanted, record, aside)
}

/** The record names the variables of both programs without their values; the spec of the last start has them. */
function changedVariables({ lastSpec }: RecordFacts, { spec }: WantedRun): Difference[] {
  if (lastSpec === null) return []
  return Object.entries(VARIABLES).flatMap(([path, variablesOf]) =>
    differences({ env: variablesOf(lastSpec) ?? [] }, { env: variablesOf(spec) ?? [] }, path),
  )
}

const VARIABLES: Readonly<Record<string, (spec: Partial<CompleteFederatedJobSpec>) => unknown>> = {
  'spec.trainer.command': ({ trainer }) => trainer?.command?.env,
  'spec.strategy.program': ({ strategy }) => strategy?.program?.env,
}

/** The purpose of the attempt after the finished rounds. */
function purposeOf({ rounds }: WantedRun, record: RecordFacts): RecordFacts['next'] {
  return rounds > record.rounds && record.stopped === null ? 'Train' : 'Evaluate'
}

function asideOf({ next, rounds }: RecordFacts): number | null {
  return next === 'Train' || next === 'Evaluate' ? rounds + 1 : null
}

function decideComplete(
  { output, rounds, spec }: WantedRun,
  record: RecordFacts,
  aside: number | null,
): OutputState {
  const asked = { path: 'spec.rounds', from: record.rounds, to: rounds }
  if (record.stopped !== null) {
    const last = record.lastSpec?.rounds
    if (last === undefined || last === rounds) return unchanged(output, record, spec)
    throw inUse(
      `${output} is complete: training ended after round ${record.rounds} (${record.stopped}), so a larger spec.rounds has no effect`,
      'start over',
    )
  }
  if (rounds > record.rounds) return { kind: 'Continue', from: record.rounds, aside }
  if (rounds < record.rounds) {
    throw inUse(
      `${output} is complete, and its number of rounds can only grow: ${sentence([asked])}`,
      'ask for as many rounds',
    )
  }
  return unchanged(output, record, spec)
}

/** Complete, if the job has not changed. Throws for a changed field, which would have no effect. */
function unchanged(output: string, { lastSpec }: RecordFacts, spec: WantedRun['spec']): OutputState {
  const changed = lastSpec === null ? [] : differences(lastSpec, spec, 'spec')
  if (changed.length === 0) return { kind: 'Complete' }
  throw inUse(
    `${output} is complete, so nothing was run, but the job changed: ${sentence(changed)}`,
    'run the job with its earlier values',
  )
}

/** Differences that a message names. */
const MANY = 5

function sentence(found: readonly Difference[]): string {
  const named = found
    .slice(0, MANY)
    .map(({ path, from, to }) => `${path} is ${shown(to)} and was ${shown(from)}`)
  const more = found.length - MANY
  return [...named, ...(more > 0 ? [`${more} more fields differ`] : [])].join(', ')
}

function shown(value: unknown): string {
  return value === undefined ? 'not set' : show(value)
}

function inUse(message: string, remedy: string): FedsamError {
  return new FedsamError('OutputInUse', message, {
    remedy: `name another folder with --output, or ${remedy}`,
  })
}
