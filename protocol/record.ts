// The markers of a run's record: their exact shapes, and how bytes become them. Each is immutable JSON in canonical form.
// A marker names every payload by key and digest; `epoch` says which coordinator wrote it (protocol/keys.ts has the keys).
import * as v from 'valibot'
import { decodeJson } from './canonical.ts'
import {
  DecidedStateSchema,
  ReceiptStateSchema,
  type States,
  StatesRefSchema,
  StatesSchema,
} from './client-state.ts'
import { FedsamError } from './errors.ts'
import {
  type Ask,
  AskSchema,
  type ExchangeDecision,
  ExchangeDecisionSchema,
  type ProgramResult,
  ProgramResultSchema,
  type Reply,
  ReplySchema,
} from './exchange.ts'
import { isMetricName, LARGEST_FIGURE, MOST_METRICS } from './measured.ts'
import {
  ABANDON_REASONS,
  MAX_NUM_EXAMPLES,
  NOT_EVALUATED_OUTCOMES,
  OUTCOMES,
  STOP_REASONS,
  UNMEASURED_OUTCOMES,
} from './outcomes.ts'
import { type OutputSignature, OutputSignatureSchema } from './output-signature.ts'
import { FileName, Name, Ordinal, OutputName, Payload, UploadName } from './record-values.ts'
import { PublicKey, Signature } from './signatures.ts'
import { DTYPES } from './tensors.ts'
import { TextMap } from './text-map.ts'
import { Count, Digest } from './values.ts'

/** What a client measured. Bounded, so that a weighted mean over any number of clients is a finite number too. */
const Measured = v.pipe(v.number(), v.minValue(-LARGEST_FIGURE), v.maxValue(LARGEST_FIGURE))
const Metrics = v.record(v.string(), Measured)
/** A client's own. Names reach terminals, Markdown and the job's status, so a receipt holds none that the seam would drop. */
const ReportedMetrics = v.pipe(
  v.record(v.pipe(v.string(), v.check(isMetricName, 'a metric has a name that cannot be shown')), Measured),
  v.check((metrics) => Object.keys(metrics).length <= MOST_METRICS, `more than ${MOST_METRICS} metrics`),
)

const TensorRuleSpec = v.object({
  name: v.string(),
  shape: v.array(Count),
  dtype: v.picklist(DTYPES),
  rule: v.picklist(['Optimise', 'Average', 'Largest', 'Keep']),
})

/** Names to 16-bit element types. A tensor may have any name, so it is no record of valibot's. */
const NarrowMap = v.pipe(
  TextMap,
  v.check((map) => Object.values(map).every((dtype) => dtype === 'F16' || dtype === 'BF16')),
  v.transform((map) => map as Record<string, 'F16' | 'BF16'>),
)

const NamedFile = v.object({ name: FileName, size: Count, sha256: Digest })

const RunSchema = v.object({
  schema: v.literal('fedsam.run/1'),
  name: Name,
  uid: v.string(),
  /** spec with defaults, without what may change while running. */
  spec: v.record(v.string(), v.unknown()),
  seed: v.number(),
  /** The base checkpoint's files under base/<digest>/; absent where the trainer brings its own parameters. */
  base: v.nullable(
    v.object({
      uri: v.string(),
      digest: Digest,
      files: v.array(NamedFile),
    }),
  ),
  /** The round of another run whose model this run starts from; absent where it starts with round 0. */
  resumedFrom: v.optional(
    v.object({
      /** spec.resumeFrom.prefix, as it was written. */
      prefix: v.pipe(v.string(), v.maxLength(1024)),
      round: Ordinal,
      /** Name of that run, and the digests of its run.json and of that round's result.json. */
      name: Name,
      run: Digest,
      result: Digest,
    }),
  ),
})

const EpochSchema = v.object({
  schema: v.literal('fedsam.coordinator/1'),
  epoch: Ordinal,
  incarnation: v.string(),
})

const PlanSchema = v.object({
  schema: v.literal('fedsam.plan/1'),
  epoch: Ordinal,
  round: Ordinal,
  attempt: Ordinal,
  /** Train: the cohort trains from base, the evaluators evaluate it. Evaluate: the last model is only evaluated.
   * Initialise: the cohort's one client is asked for the initial parameters. */
  kind: v.picklist(['Train', 'Evaluate', 'Initialise']),
  roster: v.array(Name),
  available: v.array(Name),
  cohort: v.array(Name),
  evaluators: v.array(Name),
  /** The model that this attempt starts from, that of round `round - 1`; null in round 0. */
  base: v.nullable(v.object({ round: Ordinal, payload: Payload })),
  /** Reaches fit(config) and evaluate(config), with server_round added. */
  config: TextMap,
  strategy: v.record(v.string(), v.unknown()),
  quorum: Count,
  deadlineSeconds: v.number(),
  graceSeconds: v.nullable(v.number()),
  /** The most examples that one client counts with; null: as many as it reports. */
  maxExamples: v.optional(v.nullable(Ordinal), null),
  generation: Count,
  protocol: v.literal('Plain'),
  /** Signed: a receipt counts only with its client's signature. Absent in a plan of a version whose clients did not sign. */
  receipts: v.optional(v.literal('Signed')),
  /** The one key of each site on the roster, as the job named it. A list: a client may be named "constructor". Absent without a site. */
  sites: v.optional(v.array(v.object({ name: Name, key: PublicKey }))),
})

/** An L2 norm. */
const Norm = v.pipe(v.number(), v.finite(), v.minValue(0))

const EvaluationSchema = v.object({ loss: Measured, numExamples: Count, metrics: Metrics })

/** A client's own: its count is bounded like that of an update, or one client would outvote all others. */
const LocalEvaluationSchema = v.object({
  loss: Measured,
  metrics: ReportedMetrics,
  numExamples: v.pipe(Count, v.maxValue(MAX_NUM_EXAMPLES)),
})

/** Why a client that was asked to evaluate measured nothing: it holds nothing out, or its evaluation failed. */
const UnmeasuredSchema = v.object({
  outcome: v.picklist(UNMEASURED_OUTCOMES),
  /** An error code where it failed. */
  reason: v.pipe(v.string(), v.maxLength(128)),
  message: v.pipe(v.string(), v.maxLength(2048)),
})

const ReceiptSchema = v.object({
  schema: v.literal('fedsam.receipt/1'),
  client: Name,
  round: Ordinal,
  attempt: Ordinal,
  incarnation: v.pipe(v.string(), v.maxLength(128)),
  /** SHA-256 of the model that it started from; null where there was none yet. */
  base: v.nullable(Digest),
  /** null: it only evaluated. num_examples is checked at admission, not here: a bad one has its own reason. */
  update: v.nullable(
    v.object({
      upload: UploadName,
      size: Count,
      sha256: Digest,
      blocks: v.array(Digest),
      numExamples: v.number(),
      metrics: ReportedMetrics,
    }),
  ),
  evaluation: v.nullable(LocalEvaluationSchema),
  /** null: the client measured, or nobody asked it to. An update counts even where the evaluation failed. */
  notEvaluated: v.optional(v.nullable(UnmeasuredSchema), null),
  dataset: v.pipe(v.string(), v.maxLength(2048)),
  /** The client's state after the work, and the digest of the one before; null: none. Absent where the task named no state. */
  state: v.optional(v.nullable(ReceiptStateSchema)),
  stateBase: v.optional(v.nullable(Digest)),
  /** The client's public key, and its signature over every other field (receipt-signature.ts). Absent in an older version's. */
  key: v.optional(PublicKey),
  signature: v.optional(Signature),
})

/** A public key of a client, as the coordinator saw it first. A client whose worker moved has several. */
const ClientKeySchema = v.object({
  schema: v.literal('fedsam.client-key/1'),
  client: Name,
  key: PublicKey,
  /** The first life of the client that used the key. */
  incarnation: v.pipe(v.string(), v.maxLength(128)),
})

const ClientOutcomeSchema = v.object({
  client: Name,
  outcome: v.picklist(OUTCOMES),
  reason: v.string(),
  message: v.string(),
})

/** What became of an evaluation that is missing: the client's own word, or what became of the client. */
const NotEvaluatedSchema = v.object({
  ...ClientOutcomeSchema.entries,
  outcome: v.picklist(NOT_EVALUATED_OUTCOMES),
})

const BestSchema = v.object({ round: Ordinal, metric: v.string(), value: v.number() })

const ClosedSchema = v.object({
  schema: v.literal('fedsam.decision/1'),
  kind: v.literal('Closed'),
  epoch: Ordinal,
  round: Ordinal,
  attempt: Ordinal,
  /**
   * The updates that count, in fold order (by client name); `attempt` is the one that has the receipt. `norm` is that of the
   * difference to the base; null for initial parameters, and in records of older programs.
   */
  updates: v.array(
    v.object({
      client: Name,
      attempt: Ordinal,
      receipt: Digest,
      numExamples: Count,
      norm: v.optional(v.nullable(Norm), null),
    }),
  ),
  /** The bound on the norms in this round: an update of a larger norm counts as one of this norm. null: no update is clipped. */
  clipNorm: v.optional(v.nullable(Norm), null),
  outcomes: v.array(ClientOutcomeSchema),
  /** Evaluations of the base model that count, by client name. */
  evaluations: v.array(v.object({ client: Name, receipt: Digest, ...EvaluationSchema.entries })),
  /** Everybody who was asked to evaluate and is not in `evaluations`, with the reason, by client name. */
  notEvaluated: v.optional(v.array(NotEvaluatedSchema), []),
  /** The states that count from now on, by client name. Absent where no client has one. */
  states: v.optional(v.array(DecidedStateSchema)),
  /** Mean over evaluations, weighted by examples (up to the plan's maxExamples), of the base model (round - 1); null where nobody evaluated. */
  evaluation: v.nullable(EvaluationSchema),
  best: v.nullable(BestSchema),
  /** Set: no further training round follows. */
  stop: v.nullable(v.object({ reason: v.picklist(STOP_REASONS), message: v.string() })),
})

const AbandonedSchema = v.object({
  schema: v.literal('fedsam.decision/1'),
  kind: v.literal('Abandoned'),
  epoch: Ordinal,
  round: Ordinal,
  attempt: Ordinal,
  reason: v.picklist(ABANDON_REASONS),
  message: v.string(),
  outcomes: v.array(ClientOutcomeSchema),
  /**
   * How many abandoned attempts at this round count with this one, and at how many the run fails; `settings` is the digest of
   * partitions and round settings at that time. null: it counts for nobody.
   */
  failures: v.optional(v.nullable(v.object({ count: Ordinal, allowed: Ordinal, settings: Digest })), null),
})

const DecisionSchema = v.variant('kind', [ClosedSchema, AbandonedSchema])

const ResultSchema = v.object({
  schema: v.literal('fedsam.result/1'),
  epoch: Ordinal,
  round: Ordinal,
  attempt: Ordinal,
  run: Digest,
  plan: v.nullable(Digest),
  decision: v.nullable(Digest),
  /**
   * Digest of result.json of round - 1: a hash chain over everything. null at round 0. The first result of a run that started
   * from another run's round names the result of that round.
   */
  previous: v.nullable(Digest),
  model: Payload,
  /** Server optimizer's state and the strategy's context; null where it has none. */
  state: v.nullable(Payload),
  /** The clients' states after this round. Absent where no client has one. */
  states: v.optional(StatesRefSchema),
  /** The tensor list of the run, as its first result fixes it. */
  tensors: v.array(TensorRuleSpec),
  /** Where the model of the first result came from; null in every other. */
  origin: v.nullable(
    v.object({
      kind: v.picklist(['Checkpoint', 'InitialParameters', 'Client', 'Resumed']),
      client: v.nullable(Name),
      /** Tensors that came as 16-bit floats and are kept as F32, with the dtype that they came in; absent where none did. */
      narrow: v.optional(NarrowMap),
      /** Of a run that continues another run: the norms of the updates of that run's last rounds, by round; absent: none. */
      norms: v.optional(v.array(v.array(Norm))),
    }),
  ),
  metrics: Metrics,
  /** Seconds, by the coordinator's monotonic clock: for people, nothing depends on them. */
  timings: Metrics,
})

/** The last file of the output: which round's model it is, and the digest of every other file. */
const ManifestSchema = v.object({
  schema: v.literal('fedsam.manifest/1'),
  name: Name,
  /** The round whose model the output is, and the number of training rounds. */
  round: Ordinal,
  rounds: Ordinal,
  /** Digests of that round's result.json, and of the last one of the chain. */
  result: Digest,
  head: Digest,
  evaluation: v.nullable(EvaluationSchema),
  files: v.array(v.object({ ...NamedFile.entries, name: OutputName })),
})

export type RunRecord = v.InferOutput<typeof RunSchema>
export type EpochRecord = v.InferOutput<typeof EpochSchema>
export type Plan = v.InferOutput<typeof PlanSchema>
export type Receipt = v.InferOutput<typeof ReceiptSchema>
export type ClientKey = v.InferOutput<typeof ClientKeySchema>
export type Evaluation = v.InferOutput<typeof EvaluationSchema>
export type Unmeasured = v.InferOutput<typeof UnmeasuredSchema>
export type NotEvaluated = v.InferOutput<typeof NotEvaluatedSchema>
export type ClientOutcome = v.InferOutput<typeof ClientOutcomeSchema>
export type Decision = v.InferOutput<typeof DecisionSchema>
export type ClosedDecision = v.InferOutput<typeof ClosedSchema>
export type AbandonedDecision = v.InferOutput<typeof AbandonedSchema>
export type RoundResult = v.InferOutput<typeof ResultSchema>
export type Manifest = v.InferOutput<typeof ManifestSchema>
export type PayloadRef = v.InferOutput<typeof Payload>
export type BestRound = v.InferOutput<typeof BestSchema>

/** The round of the first result: 0, or the round of another run that this run starts from. */
export function firstRound({ resumedFrom }: Pick<RunRecord, 'resumedFrom'>): number {
  return resumedFrom?.round ?? 0
}

/** Marker kinds and their schemas: the one table. */
export const RECORD_SCHEMAS = {
  run: RunSchema,
  epoch: EpochSchema,
  plan: PlanSchema,
  receipt: ReceiptSchema,
  clientKey: ClientKeySchema,
  decision: DecisionSchema,
  result: ResultSchema,
  states: StatesSchema,
  manifest: ManifestSchema,
  signature: OutputSignatureSchema,
  ask: AskSchema,
  reply: ReplySchema,
  exchange: ExchangeDecisionSchema,
  program: ProgramResultSchema,
} as const

/** Verified markers by kind. */
export interface Records {
  run: RunRecord
  epoch: EpochRecord
  plan: Plan
  receipt: Receipt
  clientKey: ClientKey
  decision: Decision
  result: RoundResult
  states: States
  manifest: Manifest
  signature: OutputSignature
  ask: Ask
  reply: Reply
  exchange: ExchangeDecision
  program: ProgramResult
}

/**
 * Bytes of a marker, verified. Throws FedsamError RecordDamaged, naming the key and the field.
 */
export function readMarker<K extends keyof Records>(kind: K, key: string, bytes: Uint8Array): Records[K] {
  let value: unknown
  try {
    value = decodeJson(bytes)
  } catch (cause) {
    throw damaged(`${key} is not JSON`, cause)
  }
  const parsed = v.safeParse(RECORD_SCHEMAS[kind], value)
  if (parsed.success) return parsed.output as Records[K]
  const issue = parsed.issues[0]
  const field = v.getDotPath(issue) ?? '(whole)'
  throw damaged(`${key}: ${field.slice(0, LONGEST_WORD)}: ${issue.message.slice(0, LONGEST_WORD)}`)
}

/** Letters of a field or a complaint that a message repeats: both may come from a hostile writer of the marker. */
const LONGEST_WORD = 200

function damaged(message: string, cause?: unknown): FedsamError {
  const remedy = 'restore the record from a copy, or run the job with another output'
  return new FedsamError('RecordDamaged', message, cause === undefined ? { remedy } : { remedy, cause })
}
