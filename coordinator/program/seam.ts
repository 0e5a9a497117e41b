// The seam between the coordinator and the program of a strategy: JSON lines on the program's standard output and input, with longer
// lists and all contents in files of its working folder. docs/strategy-seam.md describes it for programs in any language. Pure.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import { type Member, MOST_MESSAGES } from '#protocol/exchange.ts'
import { admitMetrics } from '#protocol/measured.ts'
import { parsePythonJson } from '#protocol/python-json.ts'
import { Name, Ordinal } from '#protocol/record-values.ts'

/** The id of a call: the program chooses it. */
const Id = v.pipe(v.number(), v.safeInteger())
/** The most files that a result may name. */
const MOST_FILES = 256
/** Letters of the sentence that says what differs. */
const LONGEST_DIFFERENCE = 1024
/** Letters of a path that a call or a list may name. */
const LONGEST_PATH = 4096

const Path = v.pipe(v.string(), v.minLength(1), v.maxLength(LONGEST_PATH))
const Reported = v.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)

const CallSchema = v.variant('call', [
  v.object({ id: Id, call: v.literal('clients') }),
  v.object({
    id: Id,
    call: v.literal('exchange'),
    /** A file: MessagesSchema. */
    messages: Path,
    /** Seconds; null: as long as the job allows (round.deadlineSeconds). */
    timeout: v.optional(v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0))), null),
    /** After the answer `differs`: the place of a message whose content is another one than the record's, and what differs. */
    difference: v.optional(
      v.nullable(v.object({ message: Ordinal, text: v.pipe(v.string(), v.maxLength(LONGEST_DIFFERENCE)) })),
      null,
    ),
  }),
  v.object({
    id: Id,
    call: v.literal('result'),
    model: v.optional(v.nullable(Path), null),
    metrics: v.optional(v.nullable(Reported), null),
    files: v.optional(v.pipe(v.array(Path), v.maxLength(MOST_FILES)), []),
  }),
])

const NoteSchema = v.variant('type', [
  /** `compares`: the program takes the answer `differs`. */
  v.object({ type: v.literal('ready'), compares: v.optional(v.boolean(), false) }),
  v.object({ type: v.literal('round'), round: Ordinal, of: v.optional(v.nullable(Ordinal), null) }),
  v.object({
    type: v.literal('error'),
    id: v.optional(v.nullable(Id), null),
    message: v.string(),
    remedy: v.optional(v.nullable(v.string()), null),
  }),
])

/** A message as the program writes it. */
const MessagesSchema = v.object({
  messages: v.pipe(
    v.array(
      v.object({
        client: Name,
        kind: v.pipe(v.string(), v.maxLength(256)),
        group: v.optional(v.pipe(v.string(), v.maxLength(256)), ''),
        content: Path,
      }),
    ),
    v.maxLength(MOST_MESSAGES),
  ),
})

export type Call = v.InferOutput<typeof CallSchema>
export type Note = v.InferOutput<typeof NoteSchema>
export type OutgoingMessage = v.InferOutput<typeof MessagesSchema>['messages'][number]

/** A reply as the program reads it: the place of the message in its list, and the file with the content, or an error. */
export type IncomingReply =
  | { readonly message: number; readonly client: string; readonly content: string }
  | {
      readonly message: number
      readonly client: string
      readonly error: { readonly code: number; readonly reason: string }
    }

/** The recorded content of a message, by its place in the program's list. */
export interface RecordedContent {
  readonly message: number
  readonly content: string
}

/** A line to the program. */
export type LineToProgram =
  | { readonly type: 'start'; readonly seed: string; readonly scratch: string }
  | { readonly type: 'clients'; readonly id: number; readonly clients: readonly Member[] }
  | { readonly type: 'replies'; readonly id: number; readonly exchange: number; readonly replies: string }
  | { readonly type: 'recorded'; readonly id: number }
  /** In place of `replies`: `contents` lists the recorded contents of the messages whose contents are others now. */
  | { readonly type: 'differs'; readonly id: number; readonly exchange: number; readonly contents: string }
  | {
      readonly type: 'error'
      readonly id: number
      readonly code: string
      readonly message: string
      readonly remedy: string
    }

/** What a line of the program is. Undefined: a line of its log. Unreadable: it begins as a line of the seam, and cannot be read. */
export type ProgramLine =
  | { readonly kind: 'Call'; readonly call: Call }
  | { readonly kind: 'Note'; readonly note: Note }
  | { readonly kind: 'Unreadable'; readonly why: string }

/** The beginning of a line of the seam, as JSON encoders write it. */
const OURS = /^\{\s*"(id"\s*:\s*-?\d+\s*,\s*"call"|call"\s*:\s*"|type"\s*:\s*"(ready|round|error)")/

/** Reads a line of the program; undefined for a line of its log (a print, a warning). */
export function readProgramLine(line: string): ProgramLine | undefined {
  if (!OURS.test(line)) return undefined
  const value = parsePythonJson(line)
  if (typeof value !== 'object' || value === null) return { kind: 'Unreadable', why: 'it is not JSON' }
  if ('call' in value) {
    const parsed = v.safeParse(CallSchema, value)
    return parsed.success
      ? { kind: 'Call', call: parsed.output }
      : { kind: 'Unreadable', why: issueText(parsed.issues[0]) }
  }
  const parsed = v.safeParse(NoteSchema, value)
  return parsed.success
    ? { kind: 'Note', note: parsed.output }
    : { kind: 'Unreadable', why: issueText(parsed.issues[0]) }
}

/** Reads the file of an exchange's messages. Throws WrongCall. */
export function readMessages(bytes: Uint8Array): readonly OutgoingMessage[] {
  const parsed = v.safeParse(MessagesSchema, parsePythonJson(new TextDecoder().decode(bytes)))
  if (parsed.success) return parsed.output.messages
  throw new WrongCall(`the file of messages: ${issueText(parsed.issues[0])}`, MESSAGES_REMEDY)
}

const MESSAGES_REMEDY = 'write the file as docs/strategy-seam.md describes it'

/** The metrics of a result that count; `drop` gets a sentence about each other one. */
export function countedMetrics(
  { metrics }: Extract<Call, { call: 'result' }>,
  drop: (sentence: string) => void,
): Readonly<Record<string, number>> {
  const admitted = admitMetrics(metrics ?? {})
  for (const sentence of admitted.dropped) drop(sentence)
  return admitted.metrics
}

/** A call that cannot be carried out. The program gets it as the answer, and may go on. */
export class WrongCall extends Error {
  override readonly name = 'WrongCall'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** The failure of a run by its program. */
export function programFailed(message: string, remedy = ''): FedsamError {
  return new FedsamError('RunFailed', message, {
    reason: 'ProgramFailed',
    remedy: remedy === '' ? "correct the program; the run's log has its output" : remedy,
  })
}

/** Letters of a field and a complaint that a message repeats. */
const LONGEST_WORD = 200

function issueText(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue) ?? '(whole)'
  return `${field.slice(0, LONGEST_WORD)}: ${issue.message.slice(0, LONGEST_WORD)}`
}
