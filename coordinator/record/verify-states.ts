// Verifies the states of clients in a record: that each decision names the states of the receipts that count and of no others, that each
// went on from its client's last state, that the maps follow, and that the newest map names states that exist. The digests of the bytes
// are left to verify.ts.
import { canonicalJson } from '#protocol/canonical.ts'
import { type KeptState, stateRule } from '#protocol/client-state.ts'
import { attemptKeys, resultKey } from '#protocol/keys.ts'
import type { ClosedDecision, Receipt } from '#protocol/record.ts'
import { decidedStates, nextStates, type StatesBefore, wrongState } from '../rounds/client-states.ts'
import { readStates } from './client-states.ts'
import { statePayloadOf } from './marker-facts.ts'
import { readRecord } from './markers.ts'
import type { Reading } from './verify-output.ts'
import type { Link, Unstated } from './verify-round.ts'

/** A round's states: the map after it, and the receipts that the decision names for them. */
export interface VerifiedStates {
  readonly states: readonly KeptState[]
  readonly receipts: readonly Receipt[]
}

/** Adds a problem for each state that does not follow from the record. `last`: the map that the round before left. */
export async function verifyStates(
  about: Reading,
  link: Unstated,
  previous: Link | undefined,
): Promise<VerifiedStates> {
  const { result, plan, decision } = link
  const { problems, read } = about
  const { value } = result
  const last = previous?.states ?? []
  const found = (await read(readStates(about.store, value))) ?? []
  if (decision === null || plan === null) {
    if (value.states !== undefined)
      problems.push(`${resultKey(value.round)} names states of clients without a decision`)
    return { states: found, receipts: [] }
  }
  const received = await receiptsOf(about, decision)
  const before: StatesBefore = { rule: stateRule(plan.strategy), last }
  problems.push(...decisionProblems(link, decision, before, received))
  const next = nextStates(
    last,
    received.map((one) => one.value),
    (receipt) => statePayloadOf(receipt)?.key ?? null,
  )
  const complete = received.length === (decision.states ?? []).length
  if (complete && canonicalJson(next) !== canonicalJson(found))
    problems.push(
      `${resultKey(value.round)} names other states of clients than its decision and the round before give`,
    )
  return { states: found, receipts: received.map((one) => one.value) }
}

interface Received {
  readonly value: Receipt
  readonly digest: string
}

/** The receipts that the decision names for states, without those that are missing or damaged. */
async function receiptsOf(
  { store, problems, read }: Reading,
  { round, states = [] }: ClosedDecision,
): Promise<Received[]> {
  const received: Received[] = []
  for (const { client, attempt, receipt } of states) {
    const key = attemptKeys(round, attempt).receipt(client)
    const found = await read(readRecord(store, 'receipt', key))
    if (found?.digest === receipt) received.push(found)
    else problems.push(`${key} is not what the decision names for the state of ${client}`)
  }
  return received
}

function decisionProblems(
  { plan }: Unstated,
  { round, attempt, states = [], updates, evaluations }: ClosedDecision,
  before: StatesBefore,
  received: readonly Received[],
): string[] {
  const { decision: key } = attemptKeys(round, attempt)
  const asked = new Set([...(plan?.cohort ?? []), ...(plan?.evaluators ?? [])])
  const counted = new Map([...evaluations, ...updates].map(({ client, receipt }) => [client, receipt]))
  const named = new Map(states.map((state) => [state.client, state]))
  const expected = new Map(decidedStates(before, received).map((state) => [state.client, state]))
  const known = new Map(received.map((one) => [one.digest, one.value]))
  return [
    ...states.flatMap((state, at) => {
      const { client, receipt } = state
      const found: string[] = []
      if (!asked.has(client)) found.push(`${key} counts a state of ${client}, which the plan did not ask`)
      if (at > 0 && states[at - 1]!.client >= client)
        found.push(`${key} names a state twice, or out of order`)
      if ((counted.get(client) ?? receipt) !== receipt)
        found.push(`${key} counts the state of ${client} by another receipt than its work`)
      const value = known.get(receipt)
      if (value === undefined) return found
      const wrong = wrongState(before, value)
      if (wrong !== undefined) found.push(`${key} counts the state of ${client}, but it ${wrong.message}`)
      if (canonicalJson(expected.get(client) ?? null) !== canonicalJson(state))
        found.push(`${key} names another state of ${client} than its receipt`)
      return found
    }),
    ...before.last.flatMap(({ client }) =>
      counted.has(client) && !named.has(client)
        ? [`${key} counts the work of ${client}, and not its state`]
        : [],
    ),
  ]
}

/** Receipts that count with a first state must be named, too: verify.ts has the receipts of updates. */
export function unnamedStates({ decision }: Pick<Link, 'decision'>, receipts: readonly Receipt[]): string[] {
  if (decision === null) return []
  const { decision: key } = attemptKeys(decision.round, decision.attempt)
  const named = new Set((decision.states ?? []).map(({ client }) => client))
  return receipts.flatMap(({ client, state = null }) =>
    state === null || named.has(client) ? [] : [`${key} counts the work of ${client}, and not its state`],
  )
}

/** Adds a problem for each state of the newest map that is missing: retention never deletes one. */
export async function verifyNewestStates(
  { store, problems }: Reading,
  newest: Link | undefined,
): Promise<void> {
  for (const { client, key } of newest?.states ?? [])
    if (key !== null && (await store.size(key)) === undefined)
      problems.push(`${key} is missing: it is the last state of ${client}`)
}
