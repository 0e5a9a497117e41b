// The settings of the built-in trainer: one JSON argument, checked. They never change during a run; each call brings the values
// that change from round to round.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'

const DatasetSchema = v.object({
  root: v.string(),
  layout: v.picklist(['Folders', 'COCO']),
  imageSubfolder: v.string(),
  annotationSubfolder: v.string(),
  annotationsFile: v.string(),
  labels: v.array(v.number()),
  groupPattern: v.string(),
  heldOutFraction: v.number(),
})

const SegmentAnythingSchema = v.object({
  train: v.array(v.picklist(['MaskDecoder', 'PromptEncoder', 'VisionEncoder'])),
  epochs: v.number(),
  batchSize: v.number(),
  learningRate: v.number(),
  optimizer: v.picklist(['Adam', 'AdamW', 'SGD']),
  keepOptimizerState: v.optional(v.boolean(), false),
  loss: v.picklist(['DiceCE', 'Dice', 'DiceFocal']),
  prompts: v.picklist(['Box', 'Points']),
  boxJitterPixels: v.number(),
  shuffle: v.boolean(),
  backend: v.picklist(['Auto', 'TensorFlow', 'Wasm', 'CPU']),
})

const SettingsSchema = v.object({
  trainer: SegmentAnythingSchema,
  dataset: DatasetSchema,
  /** Folder of the base checkpoint. */
  checkpoint: v.string(),
  /** Folder for image embeddings. */
  cache: v.string(),
  /** The remedy where the job asks for an accelerator and the backend finds none; null where the job asks for none. */
  whenUnseen: v.optional(v.nullable(v.picklist(['Fail', 'UseCPU'])), null),
  /** Whether the trainer logs the preflight of the data: in a pod no command line prints it. */
  logPreflight: v.optional(v.boolean(), false),
  /** How long to wait for missing or bad data, in seconds. */
  waitSeconds: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
})

export type SegmentAnythingSettings = v.InferOutput<typeof SegmentAnythingSchema>
export type TrainerSettings = v.InferOutput<typeof SettingsSchema>

const STARTED_BY = 'fedsam run and the operator start this program; do not start it by hand'

/** Reads the settings. Throws InvalidJob, which names the field. */
export function readSettings(text: string | undefined): TrainerSettings {
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch (cause) {
    throw new FedsamError('InvalidJob', 'the trainer was started without its settings, one JSON argument', {
      remedy: STARTED_BY,
      cause,
    })
  }
  const parsed = v.safeParse(SettingsSchema, value)
  if (parsed.success) return parsed.output
  const issue = parsed.issues[0]
  throw new FedsamError(
    'InvalidJob',
    `the trainer's settings: ${v.getDotPath(issue) ?? '(whole)'}: ${issue.message}`,
    { remedy: STARTED_BY },
  )
}
