// Verifies the replies of one exchange. A reply that counts has the signature of a key that the record pinned for its client, is the one to its
// message, goes on from its client's last state, and has its bytes; the states after the exchange follow from such replies. With a roster also
// against the keys that the clients published, as verify-roster.ts does for rounds.
import { canonicalJson } from '#protocol/canonical.ts'
import type { KeptState, StateRule, StatesRef } from '#protocol/client-state.ts'
import type { Ask, DecidedReply, ExchangeDecision, Reply } from '#protocol/exchange.ts'
import { plannedKeys } from '#protocol/external.ts'
import { exchangeKeys } from '#protocol/keys.ts'
import { listed } from '#protocol/text.ts'
import { nextStates, statesOfReplies } from '../rounds/client-states.ts'
import { readStates } from './client-states.ts'
import { existing, type Findings, sound, verifyPayload } from './findings.ts'
import { type ExpectedReply, judgeReply, whyNotCounted } from './judge-reply.ts'
import { replyPayloadOf, replyStateOf } from './marker-facts.ts'
import { type Marked, readSigned } from './markers.ts'
import type { Roster } from './verify-roster.ts'

/** What the record is compared with, and what that finds: sentences that the record alone cannot prove. */
export interface Others {
  readonly roster: Roster | undefined
  readonly remarks: string[]
  readonly unlisted: string[]
}

/** The clients' last states before or after an exchange, and the map that names them. */
export interface StatesAt {
  readonly rule: StateRule
  readonly last: readonly KeptState[]
  readonly map: StatesRef | undefined
}

interface About extends Others {
  readonly findings: Findings
  /** The keys that the record pinned for a client. */
  readonly keysOf: (client: string) => Promise<ReadonlySet<string>>
}

interface Exchange {
  readonly uid: string
  readonly ask: Ask
  readonly decision: ExchangeDecision
  readonly before: StatesAt
}

/** Resolves to the states after the exchange. */
export async function verifyReplies(about: About, of: Exchange): Promise<StatesAt> {
  const { findings } = about
  const { ask, decision, before } = of
  const { rule } = before
  const { decision: key } = exchangeKeys(ask.exchange)
  const isSame = (decided: DecidedReply, place: number): boolean =>
    decided.message === place && decided.client === ask.messages[place]?.client
  if (decision.replies.length !== ask.messages.length || !decision.replies.every(isSame)) {
    findings.problems.push(`${key} does not decide about every message of the ask, in their order`)
    return before
  }
  verifySites(about, ask)
  const received = new Map<number, Marked<Reply>>()
  let last = before.last
  for (const decided of decision.replies) {
    if ((decided.outcome === 'Accepted') !== (decided.reply !== null))
      findings.problems.push(`${key} names a reply of ${decided.client} and the outcome ${decided.outcome}`)
    const states = { rule, last }
    if (decided.reply === null) await verifyOther(about, of, { decided, states })
    else {
      const reply = await verifyReply(about, of, { decided, states })
      if (reply === undefined) continue
      received.set(decided.message, reply)
      last = nextStates(last, [reply.value], (one) => replyStateOf(one)?.key ?? null)
    }
  }
  if (canonicalJson(statesOfReplies(before, received)) !== canonicalJson(decision.states ?? []))
    findings.problems.push(`${key} names other states than its replies have`)
  return { rule, last: await verifyMap(findings, of, last), map: decision.map }
}

interface One {
  readonly decided: DecidedReply
  readonly states: ExpectedReply['states']
}

/** A reply that counts; undefined where it is missing or damaged, which is a problem then. */
async function verifyReply(
  { findings, keysOf, roster, unlisted }: About,
  { uid, ask }: Exchange,
  { decided: { client, message: place, reply: wanted }, states }: One,
): Promise<Marked<Reply> | undefined> {
  const { store, problems } = findings
  const key = exchangeKeys(ask.exchange).reply(client, place)
  const found = await existing(findings, readSigned(store, 'reply', key, uid), key)
  if (found === undefined) return undefined
  if (found.digest !== wanted) problems.push(`${key} is not what the decision names`)
  const clientKeys = { has: async (who: string, own: string) => (await keysOf(who)).has(own) }
  const fault = await whyNotCounted(found, ask, { uid, clientKeys, place, states })
  if (fault !== undefined)
    problems.push(`${key} counts, although it should be ${fault.reason}: ${fault.message}`)
  for (const payload of [replyPayloadOf(found.value), replyStateOf(found.value)])
    if (payload !== null) await verifyPayload(findings, payload)
  if (roster === undefined) return found
  const { signer } = found
  const keys = roster.get(client)
  if (keys === undefined) unlisted.push(`${key} counts, but the roster does not name ${client}`)
  else if (signer.kind === 'Signed' && !keys.includes(signer.key))
    unlisted.push(`${key} counts, but a key that the roster does not name signed it`)
  return found
}

/** A message whose reply does not count, although a client of the roster signed one that passes every check. */
async function verifyOther(
  { findings, roster, remarks, unlisted }: About,
  { uid, ask }: Exchange,
  { decided: { client, message: place, outcome, reason }, states }: One,
): Promise<void> {
  const keys = roster?.get(client)
  if (keys === undefined) return
  const clientKeys = { has: async (_: string, own: string) => keys.includes(own) }
  const judged = await sound(findings, judgeReply(findings.store, ask, { uid, clientKeys, place, states }))
  if (judged?.kind !== 'Accepted') return
  const key = exchangeKeys(ask.exchange).reply(client, place)
  const sentence = `${key} passes every check, and the decision says ${outcome} ${reason}`.trimEnd()
  // Every other outcome depends on when something happened, or on what a client said.
  if (outcome === 'Rejected') unlisted.push(sentence)
  else remarks.push(sentence)
}

/** An ask may name no other key for a site than the roster. */
function verifySites({ roster, unlisted }: About, ask: Ask): void {
  for (const [client, key] of plannedKeys(ask))
    if (roster?.get(client)?.includes(key) === false)
      unlisted.push(
        `${exchangeKeys(ask.exchange).ask} names a key for ${client} that the roster does not name`,
      )
}

/** Clients of the roster that no exchange asked. */
export function verifyRosterNames({ roster, remarks }: Others, asks: readonly Ask[]): void {
  const asked = new Set(asks.flatMap(({ messages }) => messages.map(({ client }) => client)))
  const others = [...(roster?.keys() ?? [])].filter((client) => !asked.has(client))
  if (others.length > 0) remarks.push(`the roster names ${listed(others, 10)}, and no exchange asked them`)
}

/** The map that the decision names has the states that follow. Resolves to these. */
async function verifyMap(
  findings: Findings,
  { ask, decision, before }: Exchange,
  next: readonly KeptState[],
): Promise<readonly KeptState[]> {
  const { decision: key } = exchangeKeys(ask.exchange)
  const { map } = decision
  const isKept = canonicalJson(next) === canonicalJson(before.last)
  if (isKept) {
    if (canonicalJson(map ?? null) !== canonicalJson(before.map ?? null))
      findings.problems.push(`${key} names another map of states, and no state changed`)
    return next
  }
  if (map === undefined || map.key === before.map?.key) {
    findings.problems.push(`${key} names no map of the states that changed`)
    return next
  }
  const stored = await sound(findings, readStates(findings.store, { states: map }))
  if (stored !== undefined && canonicalJson(stored) !== canonicalJson(next))
    findings.problems.push(`${map.key} is not the map that follows from the replies`)
  return next
}
