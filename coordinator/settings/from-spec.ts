// Derives the coordinator's settings from a job's spec with its defaults. No other file of the coordinator reads a field of the
// spec, except for checkpoints and initial parameters (start/checkpoint.ts).
import { siteKeys } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { exchangedTensors, type TrainablePart } from '#protocol/segment-anything.ts'
import type { CoordinatedJob } from '#transport/ports.ts'
import { clipRuleOf } from '../rounds/clipping.ts'
import { stoppingRule } from '../rounds/stopping.ts'
import type { FixedSettings, LiveSettings, OpenRecord, Origin, ProgramRule } from './settings.ts'

/** Fields that may change while a run continues, or that do not affect what it computes. run.json leaves them out. */
const LIVE_FIELDS: readonly (keyof CompleteFederatedJobSpec)[] = [
  'rounds',
  'partitions',
  'suspend',
  'round',
  'ttlSecondsAfterFinished',
  'managedBy',
  'storage',
  'messaging',
  'workers',
  'coordinator',
  'startDeadlineSeconds',
  'activeDeadlineSeconds',
]

/** Paths on this machine of the files that the spec names. */
export interface LocalFiles {
  /** Folder of the base checkpoint; null where the trainer has none. */
  readonly checkpoint: string | null
  /** File of `model.initialParameters`; '' where the job names none. */
  readonly initialParameters: string
  /** Record of `resumeFrom`, a folder or s3://bucket/prefix; '' where the job names none. */
  readonly resumeFrom: string
}

/** `openRecord` opens the record of `resumeFrom`. A caller that only compares settings needs none. */
export function compileFixed(
  job: CoordinatedJob,
  files: LocalFiles,
  openRecord: OpenRecord = cannotOpen,
): FixedSettings {
  const { spec } = job
  const { strategy, trainer, evaluation } = spec
  const sam = trainer.type === 'SegmentAnything' ? trainer.segmentAnything : undefined
  return {
    name: job.name,
    uid: job.uid,
    namespace: job.namespace,
    seed: spec.seed,
    strategy: { ...strategy },
    program: programRule(strategy),
    clipNorm: clipRuleOf(strategy.clipNorm),
    minFitClients: strategy.minFitClients,
    minAvailableClients: strategy.minAvailableClients,
    fractionFit: strategy.fractionFit,
    fractionEvaluate: strategy.fractionEvaluate,
    config: trainer.config,
    stopping: stoppingRule(evaluation),
    retentionRounds: spec.output.retention.rounds,
    memoryBytes: spec.coordinator.memoryBytes,
    origin: originOf(spec, files, openRecord),
    base:
      sam !== undefined && files.checkpoint !== null
        ? { uri: sam.checkpoint.uri, folder: files.checkpoint }
        : null,
    spec: recordedSpec(spec),
  }
}

/**
 * The part of the spec that run.json records. Every client can read run.json, and provenance.json repeats it beside the model, so it
 * names the variables of `command.env` and `program.env` without their values.
 */
function recordedSpec(spec: CompleteFederatedJobSpec): Readonly<Record<string, unknown>> {
  const fixed = Object.entries(spec).filter(([field]) => !(LIVE_FIELDS as string[]).includes(field))
  const { command, ...trainer } = spec.trainer
  const { program, ...strategy } = spec.strategy
  return {
    ...Object.fromEntries(fixed),
    ...(command && { trainer: { ...trainer, command: withoutValues(command) } }),
    ...(program && { strategy: { ...strategy, program: withoutValues(program) } }),
  }
}

function withoutValues<T extends { readonly env: readonly { readonly value?: string }[] }>(
  command: T,
): object {
  return { ...command, env: command.env.map(({ value: _, ...named }) => named) }
}

function programRule({ type, program }: CompleteFederatedJobSpec['strategy']): ProgramRule | null {
  return type === 'Program' && program != null ? { restarts: program.restarts } : null
}

async function cannotOpen(address: string): Promise<never> {
  throw new Error(`nothing here opens the record ${address}`)
}

function originOf(
  spec: CompleteFederatedJobSpec,
  { initialParameters, resumeFrom }: LocalFiles,
  openRecord: OpenRecord,
): Origin {
  const select = selectionOf(spec)
  if (spec.resumeFrom != null)
    return { kind: 'Resumed', ...spec.resumeFrom, select, open: () => openRecord(resumeFrom) }
  if (initialParameters !== '') return { kind: 'InitialParameters', file: initialParameters, select }
  return select === null ? { kind: 'Client' } : { kind: 'Checkpoint', select }
}

/** Selects the tensors of the built-in trainer's checkpoint that train; null for another trainer. */
export function selectionOf({
  trainer,
}: CompleteFederatedJobSpec): ((names: readonly string[]) => string[]) | null {
  if (trainer.type !== 'SegmentAnything') return null
  const parts = (trainer.segmentAnything?.train ?? ['MaskDecoder']) as readonly TrainablePart[]
  return (names) => exchangedTensors(parts, names)
}

/** The settings that may change. They are derived again when the job changes. */
export function compileLive(job: CoordinatedJob): LiveSettings {
  const { spec, generation } = job
  const keys = siteKeys(spec.partitions)
  return {
    generation,
    rounds: spec.rounds,
    members: spec.partitions.map(({ name, train }) => {
      const publicKey = keys.get(name)
      return publicKey === undefined ? { name, train } : { name, train, publicKey }
    }),
    round: {
      deadlineSeconds: spec.round.deadlineSeconds,
      quorum: spec.round.quorum ?? spec.strategy.minFitClients,
      graceSeconds: spec.round.graceSeconds ?? null,
      availabilitySeconds: spec.round.availabilitySeconds,
      settleSeconds: spec.round.settleSeconds,
      maxFailedRounds: spec.round.maxFailedRounds,
      maxExamples: spec.round.maxExamples ?? null,
    },
  }
}
