// Compares the updates of a record with the public keys that the clients themselves published. So a coordinator is found that
// invented an update, swapped or reweighted it, or left one out against the rules, although its record is consistent. What only the
// coordinator could know, such as when a receipt arrived, becomes a remark and no problem.

import { type KeptState, stateRule } from '#protocol/client-state.ts'
import { sha256 } from '#protocol/digest.ts'
import { plannedKeys } from '#protocol/external.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { receiptSigner } from '#protocol/receipt-signature.ts'
import {
  type ClosedDecision,
  type Plan,
  type Receipt,
  type RoundResult,
  readMarker,
} from '#protocol/record.ts'
import { listed } from '#protocol/text.ts'
import type { StoreReader } from '#transport/ports.ts'
import { wrongBytes } from '../aggregation/opaque-checks.ts'
import { admit } from '../aggregation/update-checks.ts'
import { wrongState } from '../rounds/client-states.ts'
import { payloadOf, statePayloadOf } from './marker-facts.ts'
import type { Reading } from './verify-output.ts'
import type { Before, Link } from './verify-round.ts'

/** Public keys by client: a client whose worker was started again may have several. */
export type Roster = ReadonlyMap<string, readonly string[]>

/** A training round that closed. */
interface Round {
  readonly plan: Plan
  readonly decision: ClosedDecision
  readonly result: RoundResult
  readonly uid: string
  /** The clients' states before it. */
  readonly last: readonly KeptState[]
}

interface RosterReading extends Reading {
  readonly remarks: string[]
}

/** Attempts at a round whose receipts are searched. */
const MOST_ATTEMPTS = 10_000

/** Adds a problem for each contradiction between the roster and the record. */
export async function verifyRoster(
  about: RosterReading,
  { run, links }: Before,
  roster: Roster,
): Promise<void> {
  if (run === undefined) return
  const planned = new Set<string>()
  for (const [at, link] of links.entries()) {
    const round = roundOf(link, run.uid, links[at - 1]?.states ?? [])
    if (round === undefined) continue
    for (const client of round.plan.roster) planned.add(client)
    verifySites(about, round, roster)
    await verifyCounted(about, round, roster)
    await verifyOthers(about, round, roster)
  }
  const missing = [...roster.keys()].filter((client) => !planned.has(client)).sort()
  if (missing.length > 0) about.remarks.push(`no plan of the run names ${listed(missing)}`)
}

function roundOf(
  { result, plan, decision }: Link,
  uid: string,
  last: readonly KeptState[],
): Round | undefined {
  return plan === null || decision === null ? undefined : { plan, decision, result: result.value, uid, last }
}

/** A plan may name no other key for a site than the roster. */
function verifySites(about: RosterReading, { plan }: Round, roster: Roster): void {
  for (const [client, key] of plannedKeys(plan))
    if (roster.get(client)?.includes(key) === false)
      about.problems.push(
        `round ${plan.round}: the plan names a key for ${client} that the roster does not name`,
      )
}

/** Every update and evaluation that counts must have a receipt by a key of its client. */
async function verifyCounted(about: RosterReading, of: Round, roster: Roster): Promise<void> {
  const { round, attempt } = of.plan
  const { updates, evaluations } = of.decision
  const check = async (what: string, named: Named): Promise<void> => {
    const bytes = await receiptWith(about, of, named)
    // A receipt that is missing is a problem already.
    const fault = bytes && signerFault(bytes, of.uid, roster.get(named.client))
    if (fault !== undefined)
      about.problems.push(`round ${round}: ${what} ${named.client} counts, but ${fault}`)
  }
  for (const { client, receipt, attempt: from } of updates)
    await check('the update of', { client, receipt, newest: from, oldest: from })
  for (const { client, receipt } of evaluations) {
    if (updates.some((update) => update.receipt === receipt)) continue
    await check('the evaluation by', { client, receipt, newest: attempt, oldest: 1 })
  }
}

/** A receipt by its digest, and the attempts that may have it. */
interface Named {
  readonly client: string
  readonly receipt: string
  readonly newest: number
  readonly oldest: number
}

async function receiptWith(
  about: RosterReading,
  of: Round,
  { client, receipt, newest, oldest }: Named,
): Promise<Uint8Array | undefined> {
  for (let attempt = Math.min(newest, MOST_ATTEMPTS); attempt >= oldest; attempt -= 1) {
    const bytes = await receiptAt(about, of, { client, attempt })
    if (bytes !== undefined && sha256(bytes) === receipt) return bytes
  }
  return undefined
}

interface Place {
  readonly client: string
  readonly attempt: number
}

function receiptAt(
  { store, read }: RosterReading,
  { plan }: Round,
  { client, attempt }: Place,
): Promise<Uint8Array | undefined> {
  return read(store.get(attemptKeys(plan.round, attempt).receipt(client)))
}

/** Why none of the keys signed the receipt; `keys` is undefined for a client that the roster does not name. */
function signerFault(
  bytes: Uint8Array,
  uid: string,
  keys: readonly string[] | undefined,
): string | undefined {
  if (keys === undefined) return 'the roster does not name the client'
  const signer = receiptSigner(bytes, uid)
  if (signer.kind === 'Unsigned') return 'its receipt is not signed'
  if (signer.kind === 'Wrong') return 'its receipt is not what the client signed'
  return keys.includes(signer.key) ? undefined : 'a key that the roster does not name signed its receipt'
}

/** Updates that clients of the roster signed and that do not count. */
async function verifyOthers(about: RosterReading, of: Round, roster: Roster): Promise<void> {
  const { cohort, round, attempt } = of.plan
  const counted = new Set(of.decision.updates.map(({ client }) => client))
  for (const client of cohort.filter((name) => roster.has(name) && !counted.has(name))) {
    for (let from = Math.min(attempt, MOST_ATTEMPTS); from >= 1; from -= 1) {
      const receipt = await signedReceipt(about, of, { client, attempt: from }, roster)
      if (receipt === undefined) continue
      const outcome = of.decision.outcomes.find((one) => one.client === client)
      const said = `round ${round}: ${client} signed an update in attempt ${from}, and the decision`
      const lawful = await isLawful(about.store, of, receipt, outcome?.outcome)
      const found =
        outcome === undefined ? 'names no outcome' : `says ${outcome.outcome} ${outcome.reason}`.trimEnd()
      if (lawful) about.remarks.push(`${said} ${found}`)
      else about.problems.push(`${said} ${found}, although the update passes every check`)
      break
    }
  }
}

/** The client's own receipt of an update of the plan's base; undefined for any other. */
async function signedReceipt(
  about: RosterReading,
  of: Round,
  place: Place,
  roster: Roster,
): Promise<Receipt | undefined> {
  const bytes = await receiptAt(about, of, place)
  if (bytes === undefined || signerFault(bytes, of.uid, roster.get(place.client)) !== undefined)
    return undefined
  const key = attemptKeys(of.plan.round, place.attempt).receipt(place.client)
  const receipt = await about.read((async () => readMarker('receipt', key, bytes))())
  const base = of.plan.base?.payload.sha256 ?? null
  return receipt !== undefined && receipt.update !== null && receipt.base === base ? receipt : undefined
}

/** Outcomes that depend on when something happened, or on what a client said. Nothing in the record can contradict them. */
const TIMELY: readonly string[] = ['Late', 'Failed', 'Unreachable', 'Refused', 'Removed']

/** A rejection must be right, as far as the payload still exists. */
async function isLawful(
  store: StoreReader,
  { plan, result, last }: Round,
  receipt: Receipt,
  outcome: string | undefined,
): Promise<boolean> {
  if (outcome === undefined) return false
  if (TIMELY.includes(outcome)) return true
  if (outcome !== 'Rejected') return false
  if (wrongState({ rule: stateRule(plan.strategy), last }, receipt) !== undefined) return true
  const payload = payloadOf(receipt)
  if (payload === null || (await store.size(payload.key)) === undefined) return true
  const base = plan.base === null ? null : { payload: plan.base.payload }
  const state = statePayloadOf(receipt)
  if (state !== null && (await wrongBytes(store, state)) !== undefined) return true
  const admission = await admit(store, { receipt, payload, base, list: result.tensors })
  return admission.kind === 'Rejected'
}
