// The markers of a Program run, whose strategy is a program of the user's own (ADR 0027): what it asked, what the clients replied, what
// counts, and how it ended. Contents are opaque bytes, named by digest; only the program and the clients read them. Pure.
import * as v from 'valibot'
import { DecidedStateSchema, ReceiptStateSchema, StatesRefSchema } from './client-state.ts'
import { OUTCOMES } from './outcomes.ts'
import { Name, Ordinal, Payload, UploadName } from './record-values.ts'
import { PublicKey, Signature } from './signatures.ts'
import { Count, Digest } from './values.ts'

/** Messages of one exchange. */
export const MOST_MESSAGES = 10_000
/** Letters of a message's kind and group, and of an error's reason. */
const LONGEST_WORD = 256
export const LONGEST_REASON = 2048
/** Bytes of a reply: as many as a client's first parameters may have. */
export const MOST_REPLY_BYTES = 64 * 1024 ** 3

const Word = v.pipe(v.string(), v.maxLength(LONGEST_WORD))
/** A content: bytes under exchangeKeys(K).content(sha256). Equal contents of one exchange are stored once. */
const Content = v.object({ size: Count, sha256: Digest, blocks: v.array(Digest) })

/** A client as the program sees it. */
const MemberSchema = v.object({
  name: Name,
  /** 63 bits of a digest of run and name, in decimal: the node id of a Flower app. */
  node: v.pipe(v.string(), v.regex(/^(0|[1-9][0-9]{0,18})$/)),
  /** Its place among the partitions of the job, from 0. */
  partition: Count,
})

/** An answer to "who is there", and how many times in a row the program got it. */
const ListSchema = v.object({ times: v.pipe(Count, v.minValue(1)), clients: v.array(MemberSchema) })

const MessageSchema = v.object({
  client: Name,
  /** Which message of the run to this client it is, from 0: a program that runs again is compared by client and number. */
  number: Count,
  /** E.g. train, evaluate, query, train.ACTION; and what the program groups by. */
  kind: Word,
  group: Word,
  content: Content,
})

/** exchanges/K/ask.json: durable before a message leaves. */
export const AskSchema = v.object({
  schema: v.literal('fedsam.ask/1'),
  epoch: Ordinal,
  /** From 1. */
  exchange: Ordinal,
  /** Digest of the decision of the exchange before; of run.json in the first. */
  previous: Digest,
  generation: Count,
  /** Answers to "who is there" since the exchange before, oldest first. */
  lists: v.array(ListSchema),
  messages: v.pipe(v.array(MessageSchema), v.maxLength(MOST_MESSAGES)),
  /** How long the program waits for replies, in seconds; null: as long as round.deadlineSeconds. */
  timeoutSeconds: v.nullable(v.pipe(v.number(), v.minValue(0), v.finite())),
  deadlineSeconds: v.pipe(v.number(), v.minValue(0), v.finite()),
  /** The one key of each site that is asked. Absent without a site. */
  sites: v.optional(v.array(v.object({ name: Name, key: PublicKey }))),
})

/** exchanges/K/replies/CLIENT/I.json: written by the client, once, after the bytes that it names. */
export const ReplySchema = v.object({
  schema: v.literal('fedsam.reply/1'),
  client: Name,
  exchange: Ordinal,
  /** The place of the message in the ask, from 0, and the digest of its content. */
  message: Ordinal,
  content: Digest,
  incarnation: v.pipe(v.string(), v.maxLength(128)),
  reply: v.variant('kind', [
    v.object({
      kind: v.literal('Content'),
      upload: UploadName,
      size: Count,
      sha256: Digest,
      blocks: v.array(Digest),
    }),
    /** The program at the client says that it failed: a number and a sentence of its own (Flower's Error). */
    v.object({
      kind: v.literal('Error'),
      code: v.pipe(v.number(), v.safeInteger()),
      reason: v.pipe(v.string(), v.maxLength(LONGEST_REASON)),
    }),
  ]),
  dataset: v.pipe(v.string(), v.maxLength(2048)),
  state: v.nullable(ReceiptStateSchema),
  stateBase: v.nullable(Digest),
  key: PublicKey,
  signature: Signature,
})

/** What became of one message. Accepted: `reply` is the digest of the client's reply marker. */
const DecidedReplySchema = v.object({
  message: Ordinal,
  client: Name,
  outcome: v.picklist(OUTCOMES),
  reason: v.pipe(v.string(), v.maxLength(128)),
  text: v.pipe(v.string(), v.maxLength(LONGEST_REASON)),
  reply: v.nullable(Digest),
})

/** exchanges/K/decision.json: durable before the program sees a reply. An exchange is never attempted again. */
export const ExchangeDecisionSchema = v.object({
  schema: v.literal('fedsam.exchange/1'),
  epoch: Ordinal,
  exchange: Ordinal,
  ask: Digest,
  /** One for each message, in the order of the ask. */
  replies: v.array(DecidedReplySchema),
  /** The states that count from now on, by client name. Absent where no client has one. */
  states: v.optional(v.array(DecidedStateSchema)),
  /** The map of all states after the exchange. */
  map: v.optional(StatesRefSchema),
})

/** program/result.json: the program said its result, and ended. */
export const ProgramResultSchema = v.object({
  schema: v.literal('fedsam.program/1'),
  epoch: Ordinal,
  exchanges: Ordinal,
  /** Digest of the last decision; of run.json where the program asked nothing. */
  previous: Digest,
  /** Answers to "who is there" after the last exchange. */
  lists: v.array(ListSchema),
  /** The last round that the program named, if any. */
  round: v.nullable(Ordinal),
  /** A safetensors file; null: the program has none. */
  model: v.nullable(Payload),
  metrics: v.record(v.string(), v.pipe(v.number(), v.finite())),
  /** Files that the program left in its working folder. */
  files: v.array(v.object({ name: v.pipe(v.string(), v.maxLength(256)), size: Count, sha256: Digest })),
})

export type Ask = v.InferOutput<typeof AskSchema>
export type Reply = v.InferOutput<typeof ReplySchema>
export type ExchangeDecision = v.InferOutput<typeof ExchangeDecisionSchema>
export type ProgramResult = v.InferOutput<typeof ProgramResultSchema>
export type Member = v.InferOutput<typeof MemberSchema>
export type DecidedReply = v.InferOutput<typeof DecidedReplySchema>
export type MemberList = v.InferOutput<typeof ListSchema>
export type Message = v.InferOutput<typeof MessageSchema>

/** Whether the run has the exchanges of a program in place of rounds. */
export function isProgramRun({ spec }: { readonly spec: Readonly<Record<string, unknown>> }): boolean {
  return (spec.strategy as { readonly type?: string } | undefined)?.type === 'Program'
}
