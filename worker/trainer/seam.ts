// The seam between the network half of a worker and a trainer: three calls as JSON lines, tensors in safetensors files.
// The calls are those of Flower's NumPyClient. docs/trainer-seam.md describes it for authors in any language.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import { admitMetrics } from '#protocol/measured.ts'
import { DTYPES, type DType } from '#protocol/tensors.ts'

const Id = v.pipe(v.number(), v.integer())
const Config = v.record(v.string(), v.string())

/** The element type in which round 0 got each tensor, in the order of names; absent where the file has those types. */
const DTypes = v.optional(v.array(v.picklist(DTYPES)))

const CallSchema = v.variant('call', [
  v.object({ id: Id, call: v.literal('get_parameters'), output: v.string() }),
  v.object({
    id: Id,
    call: v.literal('fit'),
    tensors: v.string(),
    output: v.string(),
    config: Config,
    dtypes: DTypes,
  }),
  v.object({ id: Id, call: v.literal('evaluate'), tensors: v.string(), config: Config, dtypes: DTypes }),
])

/** A call to a trainer, one line on its standard input. Files are absolute paths in the scratch folder. */
export type TrainerCall = Readonly<v.InferOutput<typeof CallSchema>>

/** The field `dtypes` of a call; none where the file itself shows the types. */
export function dtypesField(dtypes: readonly DType[] | undefined): { dtypes?: DType[] } {
  return dtypes === undefined ? {} : { dtypes: [...dtypes] }
}

/** Reads a call. Throws TrainerFailed for every other line. */
export function readTrainerCall(line: string): TrainerCall {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    // Refused below, as every other line that is no call.
  }
  const parsed = v.safeParse(CallSchema, value)
  if (parsed.success) return parsed.output
  throw new FedsamError('TrainerFailed', `a line on standard input is no call: ${line.slice(0, 200)}`, {
    remedy: 'the calls are in docs/trainer-seam.md; are FedSAM and its trainer of the same version?',
  })
}

/** Names to values of any kind: admitMetrics drops what is no metric. Python writes None as null. */
const Metrics = v.pipe(
  v.nullish(
    v.custom<Readonly<Record<string, unknown>>>(
      (value) => typeof value === 'object' && !Array.isArray(value),
    ),
    {},
  ),
  v.transform((reported) => (reported ?? {}) as Readonly<Record<string, number>>),
)

/** A number. JSON has no NaN: JavaScript writes null for it, and `withNamedFigures` turns NaN and Infinity into text. */
const Figure = v.union([
  v.number(),
  v.pipe(
    v.null(),
    v.transform(() => Number.NaN),
  ),
  v.pipe(v.picklist(['NaN', 'Infinity', '-Infinity']), v.transform(Number)),
])

const LineSchema = v.variant('type', [
  /** Once, before the first call: what is known of the data and of what computes. */
  v.object({
    type: v.literal('ready'),
    dataset: v.optional(v.string(), ''),
    backend: v.optional(v.string(), ''),
  }),
  /** Any number of times during a call. */
  v.object({
    type: v.literal('progress'),
    done: v.number(),
    total: v.number(),
    message: v.optional(v.string(), ''),
  }),
  v.object({ type: v.literal('parameters'), id: Id }),
  v.object({ type: v.literal('fitted'), id: Id, num_examples: Figure, metrics: Metrics }),
  v.object({
    type: v.literal('evaluated'),
    id: Id,
    loss: Figure,
    num_examples: Figure,
    metrics: Metrics,
  }),
  /** A call failed (with its id) or the trainer cannot start (without). */
  v.object({
    type: v.literal('error'),
    id: v.optional(Id),
    code: v.optional(v.string(), 'TrainerFailed'),
    message: v.string(),
    remedy: v.optional(v.string(), ''),
  }),
])

/** A line that a trainer writes on its standard output. Lines that are none of these are its log. */
export type TrainerLine = v.InferOutput<typeof LineSchema>

/** The lines that answer something. */
export type Answer = Exclude<TrainerLine, { type: 'ready' | 'progress' }>

/** The beginning of a line of the seam, as JSON writers put it, whatever follows. */
const OURS = /^\{\s*"type"\s*:\s*"(ready|parameters|fitted|evaluated|error)"/

/**
 * Reads a line; undefined for what is not of the seam (a print, a warning). 'Unreadable' for a line that was meant to be an
 * answer and has another form: no better one would come. A loss may be NaN; metrics that cannot count go to `drop`, named.
 */
export function readTrainerLine(
  line: string,
  drop: (sentence: string) => void = () => {},
): TrainerLine | 'Unreadable' | undefined {
  if (!line.startsWith('{')) return undefined
  const parsed = v.safeParse(LineSchema, parseLine(line))
  if (!parsed.success) return OURS.test(line) ? 'Unreadable' : undefined
  const found = parsed.output
  if (!('metrics' in found)) return found
  const { metrics, dropped } = admitMetrics(found.metrics)
  for (const sentence of dropped) drop(sentence)
  return { ...found, metrics }
}

/** The line as JSON, or as Python's json.dumps writes it, with NaN and Infinity. undefined for any other text. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    if (!OURS.test(line)) return undefined
  }
  try {
    return JSON.parse(withNamedFigures(line))
  } catch {
    return undefined
  }
}

/** Strings, which stay as they are, and the three numbers that JSON does not have. Each part matches in linear time. */
const STRING_OR_FIGURE = /"[^"\\]*(?:\\.?[^"\\]*)*"?|-?Infinity|NaN/gs

function withNamedFigures(line: string): string {
  return line.replace(STRING_OR_FIGURE, (found) => (found.startsWith('"') ? found : `"${found}"`))
}

/** What a trainer said of itself when it was ready. */
export interface TrainerReady {
  readonly dataset: string
  readonly backend: string
}

export interface Progress {
  readonly done: number
  readonly total: number
  readonly message: string
}

/** A trainer as the network half uses it. Calls come one at a time. Errors are FedsamError (TrainerFailed, BadData …). */
export interface Trainer {
  /** Starts it where it does not run, and waits until it is ready. */
  ready(): Promise<TrainerReady>
  /** Writes the parameters to `output`. */
  getParameters(output: string): Promise<void>
  /** Trains from `tensors`, writes the outcome to `output`. `dtypes`: those in which round 0 got them, where the file has others. */
  fit(
    tensors: string,
    output: string,
    config: Readonly<Record<string, string>>,
    dtypes?: readonly DType[],
  ): Promise<{ numExamples: number; metrics: Readonly<Record<string, number>> }>
  evaluate(
    tensors: string,
    config: Readonly<Record<string, string>>,
    dtypes?: readonly DType[],
  ): Promise<{ loss: number; numExamples: number; metrics: Readonly<Record<string, number>> }>
  /** What it last reported of the call that runs. */
  progress(): Progress | null
  /** Gives up the call that runs: the process is ended, the next call starts a new one. */
  cancel(): Promise<void>
  /** Ends it. In a pod `code` becomes the exit code of its container; 0 unless given. */
  close(code?: number): Promise<void>
}
