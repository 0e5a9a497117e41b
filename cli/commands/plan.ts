// `fedsam plan`: prints what a job will exchange, compute and need, without starting it. Refuses every job that `run` refuses.
import { memoryOf, sliceBytes } from '#coordinator/aggregation/budget.ts'
import { tensorList } from '#coordinator/aggregation/tensor-rules.ts'
import { strategyFrom } from '#coordinator/strategies/registry.ts'
import { stateRule } from '#protocol/client-state.ts'
import { FedsamError } from '#protocol/errors.ts'
import { isExternal } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { keptTensors } from '#protocol/half.ts'
import { exchangedTensors, type TrainablePart } from '#protocol/segment-anything.ts'
import { exists } from '#runtime/paths.ts'
import { loadJob } from '../job/load.ts'
import { resolveLocalPaths } from '../job/paths.ts'
import { describePlan, type JobPlan, type OpenPlan, type ProgramPlan } from '../plan/describe.ts'
import { type ClientDemand, estimateRound, roundMembers } from '../plan/estimate.ts'
import { localRemarks } from '../plan/remarks.ts'
import { jsonLine } from '../render/plain.ts'
import { print } from '../render/screen.ts'
import { checkInitialParameters, refuseSuspended } from '../run/prepare.ts'
import type { PartitionReport } from '../run/segment-anything.ts'
import { checkSource } from '../run/source-record.ts'
import { type RunCommand, readArguments } from './command.ts'

/** The command's body. */
export const plan: RunCommand = async (args) => {
  const { values, positionals } = readArguments(
    args,
    { set: { type: 'string', multiple: true }, json: { type: 'boolean' } },
    ['JOB.yaml'],
  )
  const loaded = await loadJob(positionals[0]!, values.set ?? [])
  const spec = resolveLocalPaths(loaded)
  refuseSuspended(spec)
  const said: string[] = []
  const { checkpoint, ...made } = await (spec.trainer.type === 'Command'
    ? planCommand(spec)
    : makePlan(spec, (line) => said.push(line)))
  await checkInitialParameters(spec, checkpoint)
  const start = await checkSource(spec, checkpoint)
  const remarks = localRemarks(spec)
  if (values.json) {
    print(jsonLine({ ...made, ...(start === null ? {} : { start }), remarks }))
    return 0
  }
  const lines = [...describePlan(loaded.name, spec, made.plan, start), ...remarks, ...said]
  print(lines.join('\n'))
  return 0
}

interface Made<Plan> {
  readonly plan: Plan
  readonly preflight: readonly PartitionReport[]
  /** The folder of the built-in trainer's checkpoint; null where the trainer provides its own parameters. */
  readonly checkpoint: string | null
}

async function makePlan(spec: CompleteFederatedJobSpec, say: (line: string) => void): Promise<Made<JobPlan>> {
  const { trainer, strategy: wanted } = spec
  const sam = trainer.segmentAnything!
  const strategy = strategyFrom({ ...wanted })
  // The reader of pictures is heavy: a wrong job, or one with its own program, does without it.
  const { preflight } = await import('../run/segment-anything.ts')
  const atSites = await partitionsAtSites(spec)
  const { folder, checkpoint, reports } = await preflight(spec, say, atSites)
  for (const { name, dataset } of spec.partitions)
    if (atSites.includes(name))
      say(`${name}: data at the site; a run on this machine needs it in ${dataset.root}`)
  const { tensors } = checkpoint
  const names = exchangedTensors(sam.train as readonly TrainablePart[], [...tensors.keys()])
  const list = tensorList(keptTensors(names.map((name) => tensors.get(name)!)))
  const estimate = estimateRound({
    ...clientDemand(spec),
    rounds: spec.rounds,
    list,
    vectors: strategy.serverOptimizer.vectors.length,
    measures: strategy.measure !== 'None',
    memoryBytes: spec.coordinator.memoryBytes,
    partitions: reports.map(({ name, report }) => ({
      name,
      train: report.split.train.length,
      heldOut: report.split.heldOut.length,
    })),
    epochs: sam.epochs,
    batchSize: sam.batchSize,
    clientVectors: sam.keepOptimizerState ? (sam.optimizer === 'SGD' ? 1 : 2) : 0,
    statesTravel: stateRule(wanted).place === 'Record',
  })
  refuseLargeState(spec, estimate.stateBytes)
  const columns = strategy.combine.kind === 'Columns' || strategy.measure !== 'None' ? estimate.cohort : 1
  const demand = { list, columns, vectors: strategy.serverOptimizer.vectors.length }
  const foldBytes = memoryOf(demand, sliceBytes(demand, spec.coordinator.memoryBytes))
  const { minimum } = strategy
  return {
    plan: { ...estimate, tensors: list.length, tensorNames: names, foldBytes, minimum, atSites },
    preflight: reports,
    checkpoint: folder,
  }
}

/** Every round of such a job would fail at its end. */
function refuseLargeState({ strategy }: CompleteFederatedJobSpec, stateBytes: number): void {
  const { maxBytes } = stateRule(strategy)
  const needed = stateBytes + STATE_HEADER
  if (stateBytes === 0 || needed <= maxBytes) return
  throw new FedsamError(
    'InvalidJob',
    `spec.trainer.segmentAnything.keepOptimizerState needs up to ${needed} bytes for each client, and spec.strategy.clientStateBytes is ${maxBytes}`,
    { remedy: `set it to ${needed}` },
  )
}

/** Room for the header of a state's file, in bytes: names of some thousand tensors. */
const STATE_HEADER = 1024 * 1024

/** The sites whose data is not on this machine, too. A run here would need it. */
async function partitionsAtSites({ partitions }: CompleteFederatedJobSpec): Promise<string[]> {
  const names: string[] = []
  for (const partition of partitions)
    if (isExternal(partition) && !(await exists(partition.dataset.root))) names.push(partition.name)
  return names
}

/** The plan of a job with the user's program, before the program runs: its clients are known, its tensors are not. */
function planCommand(spec: CompleteFederatedJobSpec): Made<OpenPlan | ProgramPlan> {
  const { type, program } = spec.strategy
  if (type === 'Program' && program != null) {
    const words = [...program.command, ...program.args]
    return { plan: { program: words, restarts: program.restarts }, preflight: [], checkpoint: null }
  }
  const strategy = strategyFrom({ ...spec.strategy })
  const { command } = spec.trainer
  return {
    plan: {
      ...roundMembers(clientDemand(spec)),
      minimum: strategy.minimum,
      command: [...(command?.command ?? []), ...(command?.args ?? [])],
      vectors: strategy.serverOptimizer.vectors.length,
      readings: strategy.measure === 'None' ? 1 : 2,
      holdsCohort: strategy.combine.kind === 'Columns' || strategy.measure !== 'None',
    },
    preflight: [],
    checkpoint: null,
  }
}

function clientDemand({ partitions, strategy }: CompleteFederatedJobSpec): ClientDemand {
  const { fractionFit, minFitClients, fractionEvaluate } = strategy
  const clients = partitions.filter(({ train }) => train).length
  return { clients, onlookers: partitions.length - clients, fractionFit, minFitClients, fractionEvaluate }
}
