// The whole conversation between a client and its coordinator: `next` (join, heartbeat, progress, acknowledgement, end) and
// `grant` (URLs when they are needed). Requests and answers are canonical JSON; every one is a hint, the store is the truth.
// Each travels in a signed envelope (envelope.ts), and states the version of its sender (version.ts). Readers ignore fields that they do
// not know, so a later version can add some. Each kind has bounds on length, depth and values that hold before it is parsed.
import * as v from 'valibot'
import { decodeJson } from './canonical.ts'
import { STATE_PLACES } from './client-state.ts'
import type { JsonBounds } from './json-scan.ts'
import { MAX_TENSORS } from './safetensors.ts'
import { DTYPES } from './tensors.ts'
import { TextMap } from './text-map.ts'
import { Count, Digest } from './values.ts'
import { StatedVersion } from './version.ts'

const Text = v.pipe(v.string(), v.maxLength(2048))

/** Bytes of each part of a large upload but the last. S3 takes at least 5 MiB and at most 10,000 parts. */
export const PART_BYTES = 16 * 1024 * 1024

/**
 * Bytes of each piece but the last of a payload that comes in pieces. A line with a fiftieth of its packets lost and 200 ms of delay carries
 * about 60 kB a second: a piece takes five seconds, and a connection that is cut each 20 seconds carries some.
 */
export const PIECE_BYTES = 256 * 1024

/** A partition's name, as Kubernetes allows it in labels. */
const Name = v.pipe(v.string(), v.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/))
/** A client's own name of one of its lives. */
const Incarnation = v.pipe(v.string(), v.maxLength(128))

/** As long as the longest key of a store. */
const Key = v.pipe(v.string(), v.maxLength(900))
/** A store's own name of a multipart upload. Known services stay below 300 characters. */
const Upload = v.pipe(v.string(), v.maxLength(1024))

const PartNumber = v.pipe(Count, v.minValue(1), v.maxValue(10_000))

const At = { round: Count, attempt: Count }

/** What the client does right now, repeated in every `next` until the answer shows that it was understood. */
const HaveSchema = v.variant('state', [
  v.object({ state: v.literal('Idle') }),
  /** It cannot train yet: what it waits for, in words for people. It does not count as being there. */
  v.object({ state: v.literal('Preparing'), message: Text }),
  /** It takes no part in this job: why, in words for people. It does not count as being there. */
  v.object({ state: v.literal('Declined'), message: Text }),
  v.object({ state: v.literal('Working'), ...At, epoch: Count }),
  v.object({ state: v.literal('Left'), ...At, epoch: Count }),
  v.object({ state: v.literal('Failed'), ...At, epoch: Count, code: Text, message: Text }),
  /** It heard that the run is over and goes: the last word of a client. */
  v.object({ state: v.literal('Leaving') }),
])

const NextSchema = v.object({
  kind: v.literal('next'),
  version: StatedVersion,
  client: Name,
  incarnation: Incarnation,
  /** Digest of the partition's data, and what computes: for the record and for people. */
  dataset: Text,
  backend: Text,
  have: HaveSchema,
  /** Answers that this life of the client ignored, because their signatures do not fit (protocol/envelope.ts). */
  ignored: v.optional(Count, 0),
  /** Steps done and to do of the local work, where the trainer reports them. */
  progress: v.nullable(v.object({ done: Count, total: Count, message: Text })),
})

const WantSchema = v.variant('kind', [
  v.object({ kind: v.literal('Read'), key: Key }),
  v.object({ kind: v.literal('Write'), key: Key, size: Count, sha256: Digest }),
  v.object({
    kind: v.literal('Part'),
    key: Key,
    upload: Upload,
    number: PartNumber,
    size: Count,
    sha256: Digest,
  }),
  v.object({ kind: v.literal('OpenUpload'), key: Key }),
  /** `parts`: how many the payload has. Later ones are of an earlier life of the worker, and are dropped. */
  v.object({ kind: v.literal('CompleteUpload'), key: Key, upload: Upload, parts: PartNumber }),
  /** Makes the payload of this size and digest of its pieces (pieceKey of keys.ts), or names the pieces that are missing. */
  v.object({ kind: v.literal('Join'), key: Key, size: Count, sha256: Digest }),
])

const GrantRequestSchema = v.object({
  kind: v.literal('grant'),
  version: StatedVersion,
  client: Name,
  incarnation: Incarnation,
  wants: v.pipe(v.array(WantSchema), v.maxLength(64)),
})

/** The state that a client goes on from, and the job's rule for the one that it leaves. */
const TaskStateSchema = v.object({
  place: v.picklist(STATE_PLACES),
  maxBytes: Count,
  /** Its last state that counts; null: it has none yet. `key` is null where the bytes are at the client. `dataset`: it belongs to. */
  last: v.nullable(v.object({ sha256: Digest, size: Count, dataset: Text, key: v.nullable(Key) })),
})

/** A unit of work, as data without URLs. */
const TaskSchema = v.object({
  /**
   * Train: evaluate the base where asked, train, upload, leave a receipt. Evaluate: only evaluate. Message: reply to a message of a
   * strategy's program, whose content is `base`; `round` is the exchange, and `attempt` the message's place in the ask, from 1.
   */
  kind: v.picklist(['Train', 'Evaluate', 'Initialise', 'Message']),
  ...At,
  epoch: Count,
  /** The model to start from; null for Initialise (the trainer's own get_parameters). */
  base: v.nullable(v.object({ key: Text, size: Count, sha256: Digest, blocks: v.array(Digest) })),
  evaluate: v.boolean(),
  config: TextMap,
  /**
   * The element type in which round 0 got each tensor, in the order of the names' bytes in UTF-8; absent where the base has those
   * types. The base holds as F32 what came in 16 bits.
   */
  dtypes: v.optional(v.pipe(v.array(v.picklist(DTYPES)), v.maxLength(MAX_TENSORS))),
  /** 64 hexadecimal digits: everything random in the local work derives from it. */
  seed: Digest,
  /** The client's state. Absent where the coordinator's release keeps none, and for Initialise. */
  state: v.optional(TaskStateSchema),
  /** Of a Message: its kind and group in the program's words, and the client's node (exchange.ts). */
  message: v.optional(v.object({ kind: Text, group: Text, node: Text })),
})

/** In every answer: who gives it. */
const From = { version: StatedVersion, epoch: Count }

const NextAnswerSchema = v.variant('kind', [
  v.object({ kind: v.literal('task'), ...From, task: TaskSchema }),
  v.object({ kind: v.literal('wait'), ...From, reason: Text }),
  v.object({ kind: v.literal('cancel'), ...From, ...At, reason: Text }),
  v.object({ kind: v.literal('refused'), ...From, reason: Text }),
  /** `failed`: the run ended without a result. */
  v.object({ kind: v.literal('finished'), ...From, reason: Text, failed: v.optional(v.boolean()) }),
])

const GrantSchema = v.object({
  method: v.picklist(['GET', 'PUT']),
  url: v.string(),
  headers: v.record(v.string(), v.string()),
})

/** The payload may also come in pieces of so many bytes. A coordinator that does not join pieces names none. */
const PieceBytes = v.pipe(Count, v.minValue(1))

const GrantedSchema = v.variant('kind', [
  /** `object`: of run.json, where the grant is to read it: so a client can believe those bytes before it starts anything by them. */
  v.object({
    kind: v.literal('Grant'),
    grant: GrantSchema,
    object: v.optional(v.object({ size: Count, sha256: Digest })),
    pieceBytes: v.optional(PieceBytes),
  }),
  /** `parts` have arrived already; the digest is absent where the store does not know it. */
  v.object({
    kind: v.literal('Upload'),
    upload: v.string(),
    parts: v.array(v.object({ number: Count, size: Count, sha256: v.optional(Digest) })),
    pieceBytes: v.optional(PieceBytes),
  }),
  /** The first missing pieces of a payload, from 0. */
  v.object({ kind: v.literal('Missing'), pieces: v.array(Count) }),
  v.object({ kind: v.literal('Completed'), written: v.picklist(['Created', 'Exists']) }),
  v.object({ kind: v.literal('Refused'), reason: Text }),
])

const GrantAnswerSchema = v.object({
  kind: v.literal('granted'),
  ...From,
  granted: v.array(GrantedSchema),
})

export type Have = v.InferOutput<typeof HaveSchema>
export type NextRequest = v.InferOutput<typeof NextSchema>
export type NextAnswer = v.InferOutput<typeof NextAnswerSchema>
export type Task = v.InferOutput<typeof TaskSchema>
export type TaskState = v.InferOutput<typeof TaskStateSchema>
export type Want = v.InferOutput<typeof WantSchema>
export type GrantRequest = v.InferOutput<typeof GrantRequestSchema>
export type Granted = v.InferOutput<typeof GrantedSchema>
export type GrantAnswer = v.InferOutput<typeof GrantAnswerSchema>

const RequestSchema = v.variant('kind', [NextSchema, GrantRequestSchema])

/** What every request of every version has. */
const FrameSchema = v.object({
  kind: v.pipe(v.string(), v.maxLength(64)),
  version: StatedVersion,
  client: Name,
  incarnation: Incarnation,
})
/** What every answer of every version has. */
const AnswerFrameSchema = v.object(From)

export type RequestFrame = v.InferOutput<typeof FrameSchema>
export type AnswerFrame = v.InferOutput<typeof AnswerFrameSchema>

/** A `grant` with 64 wants of the longest keys and uploads takes 140 kB; a `next` with all its texts escaped takes 60 kB. */
const REQUEST_BOUNDS: JsonBounds = { bytes: 256 * 1024, depth: 8, values: 2000 }
/** A task names the base's blocks: 15,000 of them fill a message of the bus, and are 60 GB of parameters. It may also hold 32,768 dtypes. */
const NEXT_ANSWER_BOUNDS: JsonBounds = { bytes: 1024 * 1024, depth: 8, values: 20_000 + MAX_TENSORS }
/** An upload answers with the parts that arrived: 9,000 of them fill a message of the bus. */
const GRANT_ANSWER_BOUNDS: JsonBounds = { bytes: 1024 * 1024, depth: 8, values: 50_000 }

/** A client's request, verified in form; undefined for anything else. Who sent it is checked against the subject. */
export function readRequest(body: Uint8Array): NextRequest | GrantRequest | undefined {
  return parse(RequestSchema, body, REQUEST_BOUNDS)
}

/** Who sends a request, of which version: of one that `readRequest` cannot read, too. Undefined for anything else. */
export function readRequestFrame(body: Uint8Array): RequestFrame | undefined {
  return parse(FrameSchema, body, REQUEST_BOUNDS)
}

/** Who gives an answer, of which version: of one that the readers below cannot read, too. Undefined for anything else. */
export function readAnswerFrame(body: Uint8Array): AnswerFrame | undefined {
  return parse(AnswerFrameSchema, body, GRANT_ANSWER_BOUNDS)
}

/** The answer to `next`; undefined for anything else. */
export function readNextAnswer(body: Uint8Array): NextAnswer | undefined {
  return parse(NextAnswerSchema, body, NEXT_ANSWER_BOUNDS)
}

/** The answer to `grant`; undefined for anything else. */
export function readGrantAnswer(body: Uint8Array): GrantAnswer | undefined {
  return parse(GrantAnswerSchema, body, GRANT_ANSWER_BOUNDS)
}

function parse<S extends v.GenericSchema>(
  schema: S,
  body: Uint8Array,
  bounds: JsonBounds,
): v.InferOutput<S> | undefined {
  try {
    const parsed = v.safeParse(schema, decodeJson(body, bounds))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}

/** Subject prefix of a run: every subject of one FederatedJob begins with it. */
export function subjectPrefix(namespace: string, uid: string): string {
  return `fedsam.${namespace}.${uid}`
}

/** The uid of the run with this subject prefix. */
export function uidOf(prefix: string): string {
  return prefix.slice(prefix.lastIndexOf('.') + 1)
}

/** What the subject of a client names. */
export interface ClientPlace {
  readonly namespace: string
  readonly uid: string
  readonly client: string
}

const CLIENT_SUBJECT =
  /^fedsam\.([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.([A-Za-z0-9](?:[A-Za-z0-9-]{0,126}[A-Za-z0-9])?)\.([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.ask$/

/** The run and the client of a subject that `clientSubject` made; undefined for any other text, patterns among them. */
export function clientPlace(subject: string): ClientPlace | undefined {
  const [, namespace, uid, client] = CLIENT_SUBJECT.exec(subject) ?? []
  if (namespace === undefined || uid === undefined || client === undefined) return undefined
  return { namespace, uid, client }
}

const ASK = '.ask'
const INBOX = '.inbox'

/** The subject on which a client asks; its reply inboxes lie under `<subject>.inbox`. */
export function clientSubject(prefix: string, client: string): string {
  return `${prefix}.${client}${ASK}`
}

/** The prefix of a client's reply subjects, so that permissions can hold each to its own. */
export function clientInbox(prefix: string, client: string): string {
  return `${prefix}.${client}${INBOX}`
}

/** Whether the reply subject is in the inbox of the client whose subject this is. The coordinator answers nowhere else. */
export function isOwnInbox(subject: string, reply: string): boolean {
  return subject.endsWith(ASK) && reply.startsWith(`${subject.slice(0, -ASK.length)}${INBOX}.`)
}
