// The seam between the network half of a worker and a trainer: calls as JSON lines, with tensors in safetensors files.
// The calls are those of Flower's NumPyClient, and the messages of a strategy's program. docs/trainer-seam.md describes the seam for trainers in any language.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import { admitMetrics } from '#protocol/measured.ts'
import { parsePythonJson } from '#protocol/python-json.ts'
import { DTYPES, type DType } from '#protocol/tensors.ts'

const Id = v.pipe(v.number(), v.integer())
const Config = v.record(v.string(), v.string())

/** The element type of each tensor in round 0, in the order of names; absent where the file has the same types. */
const DTypes = v.optional(v.array(v.picklist(DTYPES)))

/** The file of the client's state, where it has one, and the only path at which the call may leave a new one. */
const StateFiles = { state: v.optional(v.string()), state_output: v.optional(v.string()) }

const CallSchema = v.variant('call', [
  v.object({ id: Id, call: v.literal('get_parameters'), output: v.string() }),
  v.object({
    id: Id,
    call: v.literal('fit'),
    tensors: v.string(),
    output: v.string(),
    config: Config,
    dtypes: DTypes,
    ...StateFiles,
  }),
  v.object({
    id: Id,
    call: v.literal('evaluate'),
    tensors: v.string(),
    config: Config,
    dtypes: DTypes,
    ...StateFiles,
  }),
  v.object({
    id: Id,
    call: v.literal('message'),
    kind: v.string(),
    group: v.string(),
    /** The client's node: a number below 2**63, in decimal. */
    node: v.string(),
    content: v.string(),
    output: v.string(),
    ...StateFiles,
  }),
])

/** A call to a trainer, one line on its standard input. Files are absolute paths in the scratch folder. */
export type TrainerCall = Readonly<v.InferOutput<typeof CallSchema>>

/** The parameters of a call of fit or evaluate, besides the files of tensors. */
export interface CallParameters {
  readonly config: Readonly<Record<string, string>>
  /** The element types of the tensors in round 0; absent where the file has the same ones. */
  readonly dtypes?: readonly DType[] | undefined
  /** Files of the client's state: the one that it has (null: none), and where the call may leave a new one. */
  readonly state?: { readonly input: string | null; readonly output: string } | undefined
}

/** A message of a strategy's program, besides its content. */
export interface MessageParameters extends Pick<CallParameters, 'state'> {
  readonly kind: string
  readonly group: string
  readonly node: string
}

/** What a trainer replied: bytes in the output, or an error of its own. */
export interface Replied {
  readonly error: { readonly code: number; readonly reason: string } | null
  readonly hasState: boolean
}

/** The fields of a call for these parameters, as the seam names them. */
export function parameterFields({ config, dtypes, state }: CallParameters) {
  return { config, ...(dtypes === undefined ? {} : { dtypes: [...dtypes] }), ...stateFields(state) }
}

/** The fields of a message's call. */
export function messageFields({ kind, group, node, state }: MessageParameters) {
  return { kind, group, node, ...stateFields(state) }
}

function stateFields(state: CallParameters['state']): { state?: string; state_output?: string } {
  return {
    ...(state === undefined ? {} : { state_output: state.output }),
    ...(state === undefined || state.input === null ? {} : { state: state.input }),
  }
}

/** Whether a call left a new state. Throws TrainerFailed for a file of another path: FedSAM reads no file that it did not name. */
export function leftState(answered: string | undefined, { state }: Pick<CallParameters, 'state'>): boolean {
  if (answered === undefined) return false
  if (state !== undefined && answered === state.output) return true
  throw new FedsamError(
    'TrainerFailed',
    `the trainer answered the state ${answered.slice(0, 200)}; ${state === undefined ? 'this call takes no state' : `the call named ${state.output}`}`,
    { remedy: 'write the new state to the file that the call names in state_output, and answer that path' },
  )
}

/** Reads a call. Throws TrainerFailed for every other line. */
export function readTrainerCall(line: string): TrainerCall {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    // Refused below, like every line that is not a call.
  }
  const parsed = v.safeParse(CallSchema, value)
  if (parsed.success) return parsed.output
  throw new FedsamError(
    'TrainerFailed',
    `a line on the trainer's standard input is not a call: ${line.slice(0, 200)}`,
    {
      remedy: 'use the same version of FedSAM and its trainer; docs/trainer-seam.md describes the calls',
    },
  )
}

/** Names with values of any kind: admitMetrics drops values that are not metrics. Python writes None as null. */
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

/** The file of the new state; absent where the call left none. Python writes None as null. */
const StateFile = v.pipe(
  v.nullish(v.string()),
  v.transform((path) => path ?? undefined),
)

const LineSchema = v.variant('type', [
  /** Sent once, before the first call: the digest of the data, and the name of the backend. */
  v.object({
    type: v.literal('ready'),
    dataset: v.optional(v.string(), ''),
    backend: v.optional(v.string(), ''),
  }),
  /** Sent any number of times during a call. */
  v.object({
    type: v.literal('progress'),
    done: v.number(),
    total: v.number(),
    message: v.optional(v.string(), ''),
  }),
  v.object({ type: v.literal('parameters'), id: Id }),
  v.object({ type: v.literal('fitted'), id: Id, num_examples: Figure, metrics: Metrics, state: StateFile }),
  v.object({
    type: v.literal('evaluated'),
    id: Id,
    loss: Figure,
    num_examples: Figure,
    metrics: Metrics,
    state: StateFile,
  }),
  v.object({
    type: v.literal('replied'),
    id: Id,
    error: v.pipe(
      v.nullish(v.object({ code: v.pipe(v.number(), v.safeInteger()), reason: v.string() })),
      v.transform((error) => error ?? null),
    ),
    state: StateFile,
  }),
  /** Sent when a call failed (with its id), or when the trainer cannot start (without an id). */
  v.object({
    type: v.literal('error'),
    id: v.optional(Id),
    code: v.optional(v.string(), 'TrainerFailed'),
    message: v.string(),
    remedy: v.optional(v.string(), ''),
  }),
])

/** A line that a trainer writes to its standard output. Any other line belongs to its log. */
export type TrainerLine = v.InferOutput<typeof LineSchema>

/** The lines that answer a call. */
export type Answer = Exclude<TrainerLine, { type: 'ready' | 'progress' }>

/** The beginning of a line of the seam, as JSON encoders write it. */
const OURS = /^\{\s*"type"\s*:\s*"(ready|parameters|fitted|evaluated|replied|error)"/

/**
 * Reads a line; undefined for a line that is not part of the seam (a print, a warning). 'Unreadable' for a malformed answer,
 * because no other answer would follow. A loss may be NaN. It calls `drop` with the name of each metric that cannot be used.
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

/** A line that is not ours is parsed as JSON alone: a program may log anything. */
function parseLine(line: string): unknown {
  if (OURS.test(line)) return parsePythonJson(line)
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** What a trainer reported when it was ready. */
export interface TrainerReady {
  readonly dataset: string
  readonly backend: string
}

export interface Progress {
  readonly done: number
  readonly total: number
  readonly message: string
}

/** A trainer as the network half uses it, one call at a time. Errors are FedsamError (TrainerFailed, BadData …). */
export interface Trainer {
  /** Starts the trainer where it does not run, and waits until it is ready. */
  ready(): Promise<TrainerReady>
  /** Writes the parameters to `output`. */
  getParameters(output: string): Promise<void>
  /** Trains from `tensors` and writes the result to `output`. `hasState`: the call left a new state. */
  fit(
    tensors: string,
    output: string,
    parameters: CallParameters,
  ): Promise<{ numExamples: number; metrics: Readonly<Record<string, number>>; hasState: boolean }>
  evaluate(
    tensors: string,
    parameters: CallParameters,
  ): Promise<{
    loss: number
    numExamples: number
    metrics: Readonly<Record<string, number>>
    hasState: boolean
  }>
  /** Answers a message whose content is in the file: writes the reply's bytes to `output`, or replies with an error of its own. */
  message(content: string, output: string, parameters: MessageParameters): Promise<Replied>
  /** The last progress that it reported for the running call. */
  progress(): Progress | null
  /** Cancels the running call: kills the process. The next call starts a new one. */
  cancel(): Promise<void>
  /** Ends the trainer. In a pod, `code` becomes the exit code of its container (default 0). */
  close(code?: number): Promise<void>
}
