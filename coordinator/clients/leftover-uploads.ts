// Deletes payloads, updates and states, that clients uploaded in an attempt and that no receipt names. They come from earlier lives of a worker, from
// clients that were late, and from clients that upload without end. A payload that a receipt names stays for the record.
//
// One delete is not enough. A client may write until its last grant expires, and a delete may fail. So every such key stays noted,
// and each later end of an attempt deletes it again, until a delete succeeds after the grant has expired:
//
//     grant ─────────────── attempt ends ───────── grant expires ───── next attempt ends ── forgotten
//       │ client uploads       │ delete, keep noted      │                  │ delete again
//       └──────────────────────┴─── may still write ─────┘                  └ no one can write it any more
//
// Only this coordinator's own attempts are known key by key. For an attempt that it took over, or that was decided before it
// started, it computes all possible names: each client has MAX_UPLOADS of them, for updates and for states (protocol/keys.ts). The probes of sites
// (protocol/probe.ts) are deleted with them.
import { type StateRule, stateRule } from '#protocol/client-state.ts'
import { type Ask, MOST_REPLY_BYTES } from '#protocol/exchange.ts'
import {
  attemptKeys,
  clientStateKeys,
  exchangeKeys,
  parseKey,
  payloadKeys,
  probeKey,
  replyPayloadKeys,
  replyStateKeys,
} from '#protocol/keys.ts'
import { mostUpdateBytes } from '#protocol/outcomes.ts'
import type { Plan } from '#protocol/record.ts'
import type { Clock } from '#runtime/clock.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { payloadsNamedAt } from '../record/marker-facts.ts'
import type { AttemptUploads } from './attempt-uploads.ts'
import type { ServedAttempt, ServedExchange } from './current-attempt.ts'
import { deleteLeftPieces } from './pieces.ts'

/** Requests to the store at a time: a cohort may have a thousand clients, and the next attempt waits for these deletes. */
const AT_ONCE = 16

export interface LeftoverUploads {
  /** Notes the probe of a site, which it may write until this second of the coordinator's clock. */
  noteProbe(client: string, until: number): void
  /** Deletes the leftovers of this attempt and earlier ones. `admitted`: keys of admitted payloads. Never rejects. */
  cleanAttempt(attempt: Pick<ServedAttempt, 'plan' | 'uploads'>, admitted: readonly string[]): Promise<void>
  /** As cleanAttempt, of an exchange of a Program run. */
  cleanExchange(
    exchange: Pick<ServedExchange, 'ask' | 'states' | 'uploads'>,
    admitted: readonly string[],
  ): Promise<void>
  /** Deletes the leftovers of an attempt whose uploads this coordinator does not know. Never rejects. */
  cleanDecided(plan: Plan): Promise<void>
  /** As cleanDecided, of an exchange with this rule for states. */
  cleanDecidedExchange(ask: Ask, rule: StateRule): Promise<void>
  /** Deletes every noted leftover that no receipt names. Never rejects. */
  deleteNoted(): Promise<void>
}

export interface LeftoverOptions {
  readonly store: ObjectStore
  readonly clock: Clock
  /** The longest time that a grant of another coordinator may still be valid. */
  readonly grantSeconds: number
}

export function openLeftoverUploads({ store, clock, grantSeconds }: LeftoverOptions): LeftoverUploads {
  /** Keys to delete, and until when a client may still write each, in seconds of the coordinator's clock. */
  const noted = new Map<string, number>()

  const drop = async (key: string): Promise<void> => {
    const isPayload = parseKey(key)?.kind !== 'Probe'
    if (isPayload && (await payloadsNamedAt(store, receiptBeside(key))).includes(key)) {
      noted.delete(key)
      return
    }
    await store.delete(key)
    if (noted.get(key)! <= clock.now()) noted.delete(key)
  }
  const deleteNoted = async (): Promise<void> => {
    const keys = [...noted.keys()]
    for (let at = 0; at < keys.length; at += AT_ONCE)
      await Promise.all(keys.slice(at, at + AT_ONCE).map((key) => drop(key).catch(() => {})))
  }
  /** Notes every upload that clients may have left below the prefix, and ends those that are open. */
  const noteAll = async (prefix: string, possible: readonly PossibleUpload[]): Promise<void> => {
    const open = await store.openUploads(prefix).catch(() => [])
    for (const { key, upload } of open) await store.abortUpload(key, upload).catch(() => {})
    const until = clock.now() + grantSeconds
    for (const { key } of possible) noted.set(key, until)
  }
  const cleanDecided = async (plan: Plan): Promise<void> => {
    const possible = possibleUploads(plan)
    await noteAll(attemptKeys(plan.round, plan.attempt).updates, possible)
    // Only sites send pieces.
    const sites = new Set(plan.sites?.map(({ name }) => name))
    for (const { client, key, most } of possible)
      if (sites.has(client)) await deleteLeftPieces(store, key, most).catch(() => {})
    await deleteNoted()
  }
  /** Deletes what this coordinator granted and nothing names. */
  const cleanGranted = async (
    { open, granted }: Pick<AttemptUploads, 'open' | 'granted'>,
    admitted: readonly string[],
  ): Promise<void> => {
    for (const [key, upload] of open) await store.abortUpload(key, upload).catch(() => {})
    const named = new Set(admitted)
    for (const [key, until] of granted) if (!named.has(key)) noted.set(key, until)
    await deleteNoted()
  }
  const cleanDecidedExchange = async (ask: Ask, rule: StateRule): Promise<void> => {
    await noteAll(exchangeKeys(ask.exchange).replies, possibleReplies(ask, rule))
    await deleteNoted()
  }
  return {
    noteProbe: (client, until) => void noted.set(probeKey(client), until),
    async cleanAttempt({ plan, uploads }, admitted) {
      return uploads.takenOver ? cleanDecided(plan.value) : cleanGranted(uploads, admitted)
    },
    async cleanExchange({ ask, states, uploads }, admitted) {
      return uploads.takenOver
        ? cleanDecidedExchange(ask.value, states.rule)
        : cleanGranted(uploads, admitted)
    },
    cleanDecided,
    cleanDecidedExchange,
    deleteNoted,
  }
}

interface PossibleUpload {
  readonly client: string
  readonly key: string
  /** Bytes of the largest payload under this key. */
  readonly most: number
}

/** Every payload that a client may have left in the attempt. */
function possibleUploads({ round, attempt, cohort, evaluators, base, strategy }: Plan): PossibleUpload[] {
  const keys = attemptKeys(round, attempt)
  const { place, maxBytes } = stateRule(strategy)
  const most = mostUpdateBytes(base?.payload.size ?? null)
  const updates = cohort.flatMap((client) => payloadKeys(keys, client).map((key) => ({ client, key, most })))
  const stated = place === 'Record' ? [...new Set([...cohort, ...evaluators])] : []
  const states = stated.flatMap((client) =>
    clientStateKeys(keys, client).map((key) => ({ client, key, most: maxBytes })),
  )
  return [...updates, ...states]
}

/** Every payload that a client may have left in the exchange. */
function possibleReplies({ exchange, messages }: Ask, { place, maxBytes }: StateRule): PossibleUpload[] {
  const keys = exchangeKeys(exchange)
  return messages.flatMap(({ client }, at) => {
    const replies = replyPayloadKeys(keys, client, at).map((key) => ({ client, key, most: MOST_REPLY_BYTES }))
    const states = place === 'Record' ? replyStateKeys(keys, client, at) : []
    return [...replies, ...states.map((key) => ({ client, key, most: maxBytes }))]
  })
}

/**
 * The key of the receipt beside a payload: updates/NAME/UPLOAD.safetensors and UPLOAD.state have updates/NAME.json, and a reply's
 * replies/NAME/I/UPLOAD.records has replies/NAME/I.json.
 */
function receiptBeside(key: string): string {
  return `${key.slice(0, key.lastIndexOf('/'))}.json`
}
