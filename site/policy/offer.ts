// What a site learns about a job, from run.json or from a job file: the parts of the spec that concern the site, and nothing else. It is
// foreign data. Guarantees types and bounds, those of the FederatedJob. decide-job.ts decides what of it is allowed. Pure.
import * as v from 'valibot'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { type JobName, jobNameOf } from '#protocol/sites.ts'
import { TextMap } from '#protocol/text-map.ts'
import { Digest } from '#protocol/values.ts'

const Text = v.pipe(v.string(), v.maxLength(4096))
const whole = (least: number, most: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most))

const DatasetSchema = v.object({
  root: Text,
  layout: v.picklist(['Folders', 'COCO']),
  imageSubfolder: Text,
  annotationSubfolder: Text,
  annotationsFile: Text,
  labels: v.pipe(v.array(whole(0, 65_535)), v.maxLength(256)),
  groupPattern: Text,
  heldOutFraction: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
})

const SegmentAnythingSchema = v.object({
  train: v.pipe(
    v.array(v.picklist(['MaskDecoder', 'PromptEncoder', 'VisionEncoder'])),
    v.minLength(1),
    v.maxLength(3),
  ),
  epochs: whole(1, 10_000),
  batchSize: whole(1, 65_536),
  learningRate: v.pipe(v.number(), v.gtValue(0), v.maxValue(1000)),
  optimizer: v.picklist(['Adam', 'AdamW', 'SGD']),
  loss: v.picklist(['DiceCE', 'Dice', 'DiceFocal']),
  prompts: v.picklist(['Box', 'Points']),
  boxJitterPixels: whole(0, 1024),
  shuffle: v.boolean(),
  backend: v.picklist(['Auto', 'TensorFlow', 'Wasm', 'CPU']),
})

const CommandSchema = v.object({
  command: v.pipe(v.array(Text), v.maxLength(256)),
  args: v.pipe(v.array(Text), v.maxLength(256)),
  /** Names only: a site sets none of them. */
  env: v.pipe(v.array(v.object({ name: Text })), v.maxLength(256)),
})

const TrainerSchema = v.variant('type', [
  v.object({ type: v.literal('SegmentAnything'), config: TextMap, segmentAnything: SegmentAnythingSchema }),
  v.object({ type: v.literal('Command'), config: TextMap, command: CommandSchema }),
])

const JobText = v.pipe(
  v.string(),
  v.check((text) => jobNameOf(text) !== undefined),
)

const OfferSchema = v.object({
  /** namespace/name */
  job: JobText,
  client: v.pipe(v.string(), v.maxLength(63)),
  /** run.json has neither rounds nor partitions, because both may change. */
  rounds: v.optional(whole(1, 100_000)),
  minFitClients: whole(1, 1_000_000),
  trainer: TrainerSchema,
  dataset: v.optional(DatasetSchema),
  /** The base checkpoint as the job names it, and the digest of the files that a run has of it. The site opens no address of a job. */
  base: v.nullable(v.object({ uri: v.pipe(v.string(), v.maxLength(1024)), digest: v.optional(Digest) })),
})

/** A job as its coordinator describes it to one client. */
export type JobOffer = v.InferOutput<typeof OfferSchema>
export type OfferedDataset = NonNullable<JobOffer['dataset']>
export type OfferedTrainer = JobOffer['trainer']

/** The offer in a foreign value; undefined for anything else. Fields that nobody here reads are dropped. */
export function readOffer(value: unknown): JobOffer | undefined {
  const read = v.safeParse(OfferSchema, value)
  return read.success ? read.output : undefined
}

/** The spec of a job, or of a run.json: with defaults, and perhaps without some fields. */
export type OfferedSpec = Pick<CompleteFederatedJobSpec, 'strategy' | 'trainer'> &
  Partial<Pick<CompleteFederatedJobSpec, 'rounds' | 'partitions'>>

/** The offer of a job to one client, unchecked: see readOffer. `base` is that of run.json; a job file has none. */
export function offerOf(
  job: JobName,
  client: string,
  spec: OfferedSpec,
  base?: { readonly uri: string; readonly digest: string } | null,
): unknown {
  const { trainer, strategy, rounds, partitions } = spec
  const uri = trainer.segmentAnything?.checkpoint.uri
  return {
    job: `${job.namespace}/${job.name}`,
    client,
    rounds,
    minFitClients: strategy.minFitClients,
    trainer,
    dataset: partitions?.find(({ name }) => name === client)?.dataset,
    base: base === undefined && trainer.type === 'SegmentAnything' ? { uri } : (base ?? null),
  }
}
