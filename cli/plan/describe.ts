// Formats a job's plan as lines of text. The tensors are known, or the first answer of the user's program will decide them. Pure.

import { stateRule } from '#protocol/client-state.ts'
import type { RunEvent } from '#protocol/events.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { counted, listed } from '#protocol/text.ts'
import { resumedText } from '../render/lines.ts'
import type { RoundEstimate } from './estimate.ts'

/** The estimate, and the exchanged tensors. */
export interface JobPlan extends RoundEstimate {
  readonly tensors: number
  readonly tensorNames: readonly string[]
  readonly foldBytes: number
  /** Fewest updates with which the strategy works. */
  readonly minimum: number
  /** Partitions whose data is at a site: how many images it has is not known here. */
  readonly atSites: readonly string[]
}

/** The plan of a job before its program has named its tensors. */
export interface OpenPlan {
  readonly cohort: number
  readonly evaluators: number
  readonly minimum: number
  /** The program and its arguments. */
  readonly command: readonly string[]
  /** State vectors of the server optimizer. */
  readonly vectors: number
  /** How often the fold reads an update that does not fit in memory. */
  readonly readings: number
  /** Whether the fold needs the same slice of all updates at the same time. */
  readonly holdsCohort: boolean
}

/** The plan of a Program run: what travels is the program's matter. */
export interface ProgramPlan {
  /** The program and its arguments. */
  readonly program: readonly string[]
  readonly restarts: number
}

/** The lines of `fedsam plan`. */
export function describePlan(
  name: string,
  spec: CompleteFederatedJobSpec,
  plan: JobPlan | OpenPlan | ProgramPlan,
  start: Start | null = null,
): string[] {
  if ('program' in plan) return describeProgram(name, spec, plan)
  const { strategy, partitions } = spec
  const head = `${name}: ${counted(roundsToRun(spec), 'round')} of ${strategy.type} over ${counted(partitions.length, 'partition')}`
  return [
    head,
    ...(start === null ? [] : [describeStart(spec, start)]),
    ...('tensors' in plan ? describeKnown(spec, plan) : describeOpen(spec, plan)),
  ]
}

function describeProgram(
  name: string,
  spec: CompleteFederatedJobSpec,
  { program, restarts }: ProgramPlan,
): string[] {
  const { trainer, partitions, round } = spec
  const command = [...(trainer.command?.command ?? []), ...(trainer.command?.args ?? [])]
  return [
    `${name}: a program sends messages to ${counted(partitions.length, 'partition')}`,
    `program     ${program.map(asWord).join(' ')}`,
    `            after a signal it starts again, at most ${counted(restarts, 'time')} without a new exchange`,
    `trainer     ${command.map(asWord).join(' ')}`,
    'exchanged   not known before the run: the program says what travels, and how often',
    `  waiting     an exchange ends after ${round.deadlineSeconds} s, unless the program names a time`,
    ...describeState(spec, 0),
    '  store       keeps every message and every reply until the run has its result',
  ]
}

/** The round of another run that the job starts from. */
type Start = NonNullable<Extract<RunEvent, { event: 'Initialised' }>['resumed']>

/** A job that starts from another run's round has the rounds after it left. */
function roundsToRun({ rounds, resumeFrom }: CompleteFederatedJobSpec): number {
  return rounds - (resumeFrom?.round ?? 0)
}

function describeStart({ rounds }: CompleteFederatedJobSpec, start: Start): string {
  const first = start.round + 1
  const left = first === rounds ? `round ${first} is` : `rounds ${first} to ${rounds} are`
  return `start       ${resumedText(start)}; ${left} left`
}

function describeKnown(spec: CompleteFederatedJobSpec, plan: JobPlan): string[] {
  const { bytes, requests } = plan
  const parts = new Map<string, number>()
  for (const tensor of plan.tensorNames) {
    const part = tensor.split('.').slice(0, 2).join('.')
    parts.set(part, (parts.get(part) ?? 0) + 1)
  }
  const steps = Object.entries(plan.steps)
  const model = `${counted(plan.tensors, 'tensor')}, ${counted(plan.parameters, 'parameter')}`
  return [
    `exchanged   ${model}, ${megabytes(plan.modelBytes)} an update`,
    ...[...parts].map(([part, count]) => `              ${part}: ${count}`),
    describeRound(spec, plan),
    ...describeLimits(spec),
    ...describeState(spec, plan.stateBytes),
    `  workers     fetch ${megabytes(bytes.down)}, send ${megabytes(bytes.up)}`,
    `  coordinator reads ${megabytes(bytes.read)}, writes ${megabytes(bytes.written)}`,
    `  requests    ${requests.store} to the store, ${requests.bus} over the bus`,
    ...(steps.length === 0
      ? []
      : [`  steps       ${steps.map(([partition, count]) => `${partition} ${count}`).join(', ')}`]),
    ...describeSites(plan.atSites),
    `total       all rounds of the job move ${megabytes(roundsToRun(spec) * (bytes.down + bytes.up))} between workers and store`,
    `memory      the fold takes ${megabytes(plan.foldBytes)} of the coordinator's ${megabytes(spec.coordinator.memoryBytes)}, for any model`,
  ]
}

/** What nobody but a site can say. */
function describeSites(names: readonly string[]): string[] {
  if (names.length === 0) return []
  return [
    `  sites       ${listed(names)}: data at the site; its images, its steps and what it holds out are not known here`,
  ]
}

function describeOpen(spec: CompleteFederatedJobSpec, plan: OpenPlan): string[] {
  const { trainer, model, coordinator } = spec
  const source =
    model.initialParameters === '' ? 'the first client that answers' : `the file ${model.initialParameters}`
  const exchanged =
    spec.resumeFrom == null
      ? `not known before the run: ${source} says which tensors travel`
      : 'the tensors of that run'
  const image = trainer.command?.image ? `, in a cluster in the image ${trainer.command.image}` : ''
  const fromCluster = (trainer.command?.env ?? []).flatMap(({ name, valueFrom }) =>
    valueFrom == null ? [] : [name],
  )
  const reads = plan.readings === 1 ? 'once' : 'twice'
  return [
    `trainer     ${plan.command.map(asWord).join(' ')}${image}`,
    ...fromCluster.map(
      (name) =>
        `  variable    ${name} comes from a Secret or another object of a cluster; export it and add --pass-env ${name} to fedsam run`,
    ),
    `exchanged   ${exchanged}`,
    describeRound(spec, plan),
    ...describeLimits(spec),
    ...describeState(spec, 0),
    `  workers     each member fetches one model; each of the cohort sends one update`,
    `  coordinator checks each update; the fold reads it ${reads} more where memory does not keep it`,
    ...(plan.vectors === 0
      ? []
      : [
          `  optimizer   keeps ${counted(plan.vectors, 'vector')} of the model's length, each of 8 bytes a parameter`,
        ]),
    `memory      the fold takes at most the coordinator's ${megabytes(coordinator.memoryBytes)}, for any model; ${
      plan.holdsCohort ? 'it holds a slice of every update at once' : 'it adds update by update'
    }`,
  ]
}

function describeRound(
  { round, strategy }: CompleteFederatedJobSpec,
  { cohort, evaluators, minimum }: Pick<JobPlan, 'cohort' | 'evaluators' | 'minimum'>,
): string {
  const needed = Math.max(minimum, round.quorum ?? strategy.minFitClients)
  const train = `${counted(cohort, 'client')} ${cohort === 1 ? 'trains' : 'train'}`
  const evaluate = `${evaluators} ${evaluators === 1 ? 'evaluates' : 'evaluate'}`
  return `each round  ${train}, ${evaluate}; at least ${counted(needed, 'update')} must arrive`
}

/** How far one client can move the model. */
function describeLimits({
  strategy: { clipNorm },
  round: { maxExamples },
}: CompleteFederatedJobSpec): string[] {
  const bound = clipNorm?.norm ?? `${clipNorm?.medianMultiple} times the median norm of the last rounds`
  return [
    ...(clipNorm === undefined ? [] : [`  clipping    a longer update is scaled down to the norm ${bound}`]),
    ...(maxExamples === undefined ? [] : [`  examples    at most ${maxExamples} of one client count`]),
  ]
}

/** What each client keeps between rounds. `known`: its bytes, for the built-in trainer. */
function describeState({ strategy, trainer }: CompleteFederatedJobSpec, known: number): string[] {
  const { place, maxBytes } = stateRule(strategy)
  const says = strategy.clientState !== undefined || strategy.clientStateBytes !== undefined
  if (known === 0 && (trainer.type !== 'Command' || !says)) return []
  const size = known === 0 ? `at most ${megabytes(maxBytes)}` : megabytes(known)
  const then =
    place === 'Local'
      ? 'and they stay there'
      : 'and sends them once a round; the store has the last ones of every client'
  return [`  state       each client keeps ${size} between rounds, ${then}`]
}

function megabytes(count: number): string {
  return `${(count / 1e6).toFixed(count < 1e7 ? 2 : 0)} MB`
}

/** A word of a command, quoted for a shell. */
function asWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
