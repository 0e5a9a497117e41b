// `fedsam plan`: what a job would exchange, compute and need, without starting it. Everything that `run` would refuse, it refuses.
import { memoryOf, sliceBytes } from '#coordinator/aggregation/budget.ts'
import { strategyFrom } from '#coordinator/strategies/presets.ts'
import { keptTensors, tensorList } from '#coordinator/tensor-files.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { exchangedTensors, type TrainablePart } from '#protocol/segment-anything.ts'
import { loadJob } from '../job/load.ts'
import { resolveLocalPaths } from '../job/paths.ts'
import { estimateRound, type RoundEstimate } from '../plan/estimate.ts'
import { refuseUnsupported } from '../run/prepare.ts'
import { type PartitionReport, preflight } from '../run/segment-anything.ts'
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
  refuseUnsupported(spec)
  const said: string[] = []
  const { plan, preflight } = await makePlan(spec, (line) => said.push(line))
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ plan, preflight })}\n`
      : `${describe(loaded.name, spec, plan)}${said.map((line) => `${line}\n`).join('')}`,
  )
  return 0
}

/** The estimate, and what is exchanged. */
interface JobPlan extends RoundEstimate {
  readonly tensors: number
  readonly tensorNames: readonly string[]
  readonly foldBytes: number
  readonly minimum: number
}

async function makePlan(
  spec: CompleteFederatedJobSpec,
  say: (line: string) => void,
): Promise<{ plan: JobPlan; preflight: readonly PartitionReport[] }> {
  const { trainer, strategy: wanted, partitions } = spec
  if (trainer.type !== 'SegmentAnything') {
    throw new FedsamError(
      'InvalidJob',
      `spec.trainer.type: what a ${trainer.type} trainer exchanges only it knows`,
      {
        remedy: 'run one round: the record of round 0 holds the tensor list',
      },
    )
  }
  const sam = trainer.segmentAnything!
  const strategy = strategyFrom({ ...wanted })
  const { checkpoint, reports } = await preflight(spec, say)
  const { tensors } = checkpoint
  const names = exchangedTensors(sam.train as readonly TrainablePart[], [...tensors.keys()])
  const list = tensorList(keptTensors(names.map((name) => tensors.get(name)!)))
  const training = partitions.filter(({ train }) => train)
  const estimate = estimateRound({
    rounds: spec.rounds,
    clients: training.length,
    fractionFit: wanted.fractionFit,
    minFitClients: wanted.minFitClients,
    fractionEvaluate: wanted.fractionEvaluate,
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
  })
  const columns = strategy.combine.kind === 'Columns' || strategy.measure !== 'None' ? estimate.cohort : 1
  const demand = { list, columns, vectors: strategy.serverOptimizer.vectors.length }
  const foldBytes = memoryOf(demand, sliceBytes(demand, spec.coordinator.memoryBytes))
  const { minimum } = strategy
  return {
    plan: { ...estimate, tensors: list.length, tensorNames: names, foldBytes, minimum },
    preflight: reports,
  }
}

function describe(name: string, spec: CompleteFederatedJobSpec, plan: JobPlan): string {
  const { bytes, requests } = plan
  const megabytes = (count: number): string => `${(count / 1e6).toFixed(count < 1e7 ? 2 : 0)} MB`
  const parts = new Map<string, number>()
  for (const tensor of plan.tensorNames) {
    const part = tensor.split('.').slice(0, 2).join('.')
    parts.set(part, (parts.get(part) ?? 0) + 1)
  }
  const steps = Object.entries(plan.steps)
  return [
    `${name}: ${spec.rounds} rounds of ${spec.strategy.type} over ${spec.partitions.length} partitions`,
    `exchanged   ${plan.tensors} tensors, ${plan.parameters} parameters, ${megabytes(plan.modelBytes)} an update`,
    ...[...parts].map(([part, count]) => `              ${part}: ${count}`),
    `each round  ${plan.cohort} clients train, ${plan.evaluators} evaluate; at least ${Math.max(plan.minimum, spec.round.quorum ?? spec.strategy.minFitClients)} updates must come`,
    `  workers     fetch ${megabytes(bytes.down)}, send ${megabytes(bytes.up)}`,
    `  coordinator reads ${megabytes(bytes.read)}, writes ${megabytes(bytes.written)}`,
    `  requests    ${requests.store} to the store, ${requests.bus} over the bus`,
    `  steps       ${steps.map(([partition, count]) => `${partition} ${count}`).join(', ')}`,
    `all rounds  ${megabytes(spec.rounds * (bytes.down + bytes.up))} between workers and store`,
    `memory      the fold takes ${megabytes(plan.foldBytes)} of the coordinator's ${megabytes(spec.coordinator.memoryBytes)}, whatever the model`,
    '',
  ].join('\n')
}
