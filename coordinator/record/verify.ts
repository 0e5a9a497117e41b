// Verifies a run's record from its bytes alone. Each result must follow the result before it; plans, decisions, receipts and
// payloads must have the digests that markers name. Payloads that retention deleted are listed as absent. verify-round.ts compares
// the markers of a round with each other, verify-states.ts the states of clients, verify-fold.ts folds its updates again, and verify-output.ts verifies the base checkpoint
// and the output.
import { sha256 } from '#protocol/digest.ts'
import { isProgramRun } from '#protocol/exchange.ts'
import { attemptKeys, RUN_KEY, resultKey } from '#protocol/keys.ts'
import {
  type ClosedDecision,
  firstRound,
  type Receipt,
  type RoundResult,
  type RunRecord,
  readMarker,
} from '#protocol/record.ts'
import type { StoreReader } from '#transport/ports.ts'
import { existing, type Findings, sound, verifyEpochs, verifyPayload } from './findings.ts'
import { payloadOf, statePayloadOf } from './marker-facts.ts'
import { type Marked, readRecord } from './markers.ts'
import type { Anchors, Verification } from './verification.ts'
import { verifyDecisions } from './verify-decisions.ts'
import { foldProblems } from './verify-fold.ts'
import { type Chain, verifyBase, verifyOutput } from './verify-output.ts'
import { verifyProgram } from './verify-program.ts'
import { verifyReceipts } from './verify-receipts.ts'
import { verifyRoster } from './verify-roster.ts'
import {
  type Before,
  type CountedUpdate,
  evaluationProblems,
  type Link,
  roundProblems,
  type Unstated,
  updateProblems,
} from './verify-round.ts'
import { unnamedStates, verifyNewestStates, verifyStates } from './verify-states.ts'

export type { Verification } from './verification.ts'

/** Attempts of a round that are searched for a receipt: above the largest round.maxFailedRounds that a job may have. */
const MOST_ATTEMPTS = 10_000
/** Reads every object that the record names. Throws what the store throws where it cannot be reached. */
export async function verifyRecord(
  store: StoreReader,
  { trust = { keys: [] }, roster }: Anchors = {},
): Promise<Verification> {
  const findings: Findings = {
    store,
    scope: 'Everything',
    problems: [],
    absent: [],
    payloads: 0,
    refolded: 0,
  }
  const program = await programRecord(findings)
  if (program !== null) return verifyProgram(findings, program, { trust, roster })
  const chain = await verifyChain(findings)
  await verifyEpochs(findings, epochsOf(chain))
  const read = <T>(reading: Promise<T>): Promise<T | undefined> => sound(findings, reading)
  const about = { store, problems: findings.problems, read }
  await verifyBase(about, chain)
  await verifyReceipts(about, chain)
  await verifyNewestStates(about, chain.links.at(-1))
  const { manifest, missing, ...output } = await verifyOutput(about, chain, trust)
  const remarks: string[] = []
  const unlisted: string[] = []
  if (roster !== undefined)
    await verifyRoster(
      { ...about, problems: unlisted, remarks },
      { run: chain.run?.value, links: chain.links },
      roster,
    )
  const contradictions = [
    ...output.contradictions,
    ...unlisted.map((sentence) => ({ source: 'Roster', sentence }) as const),
  ]
  const { absent, payloads, refolded } = findings
  const problems = [...findings.problems, ...contradictions.map(({ sentence }) => sentence)]
  const digests = chain.links.map(({ result }) => result.digest)
  const chained = { results: digests.length, chain: digests, head: digests.at(-1) ?? null }
  const resumedFrom = chain.run?.value.resumedFrom ?? null
  const found = {
    exchanges: null,
    payloads,
    refolded,
    absent,
    manifest,
    complete: manifest !== null,
    unfinished: missing && hasEnded(chain),
    ...output,
    remarks,
    problems,
    contradictions,
  }
  return { ...chained, resumedFrom, ...found }
}

/** run.json of a Program run; null for one with rounds, and where run.json is damaged. */
async function programRecord({ store }: Findings): Promise<Marked<RunRecord> | null> {
  const run = await readRecord(store, 'run', RUN_KEY).catch(() => undefined)
  return run !== undefined && isProgramRun(run.value) ? run : null
}

/** Whether the newest decision ended the training, or its last model was evaluated. A job may get more rounds later. */
function hasEnded({ links }: Chain): boolean {
  const last = links.at(-1)
  return last?.plan?.kind === 'Evaluate' || (last?.decision?.stop ?? null) !== null
}

/** The chain up to a round, and its faults. It reads no payload and no receipt. */
export async function verifyUpTo(
  store: StoreReader,
  last: number,
): Promise<{ readonly chain: Chain; readonly problems: readonly string[] }> {
  const findings: Findings = { store, scope: 'Chain', problems: [], absent: [], payloads: 0, refolded: 0 }
  return { chain: await verifyChain(findings, last), problems: findings.problems }
}

/** The chain of a run that started from another run's round begins there: the other run's result comes before its first. */
async function verifyChain(findings: Findings, last = Number.POSITIVE_INFINITY): Promise<Chain> {
  const { store, problems } = findings
  const run = await existing(findings, readRecord(store, 'run', RUN_KEY), RUN_KEY)
  const links: Link[] = []
  let previous = run?.value.resumedFrom?.result ?? null
  for (let round = run === undefined ? 0 : firstRound(run.value); round <= last; round += 1) {
    const key = resultKey(round)
    const result = await sound(findings, readRecord(store, 'result', key))
    if (result === undefined) {
      if (last === Number.POSITIVE_INFINITY) await refuseGap(findings, round)
      break
    }
    const { value } = result
    if (value.round !== round) problems.push(`${key} names round ${value.round}`)
    if (value.run !== run?.digest) problems.push(`${key} belongs to another ${RUN_KEY}`)
    if (value.previous !== previous) problems.push(`${key} does not follow the result before it`)
    previous = result.digest
    links.push(await verifyResult(findings, result, { run: run?.value, links }))
  }
  const about = { store, problems, read: <T>(reading: Promise<T>) => sound(findings, reading) }
  await verifyDecisions(about, { run, links }, findings.scope === 'Everything')
  return { run, links }
}

/** The chain ends before this round. A run writes its results in order, so the next round has none either. */
async function refuseGap(findings: Findings, round: number): Promise<void> {
  const next = await sound(findings, findings.store.size(resultKey(round + 1)))
  if (next !== undefined) findings.problems.push(`${resultKey(round)} is missing`)
}

/** The epochs that wrote a marker of the chain. */
function epochsOf({ links }: Chain): Set<number> {
  return new Set(
    links.flatMap(({ result, plan, decision }) => [
      result.value.epoch,
      ...(plan === null ? [] : [plan.epoch]),
      ...(decision === null ? [] : [decision.epoch]),
    ]),
  )
}

async function verifyResult(findings: Findings, marked: Link['result'], before: Before): Promise<Link> {
  const { store, problems, scope } = findings
  const result = marked.value
  const keys = attemptKeys(result.round, result.attempt)
  const plan = result.plan === null ? null : await sound(findings, readRecord(store, 'plan', keys.plan))
  if (plan !== null && plan?.digest !== result.plan)
    problems.push(`${keys.plan} is not what the result names`)
  const decision = await verifyDecision(findings, result, keys.decision)
  const link: Unstated = { result: marked, plan: plan?.value ?? null, decision }
  problems.push(...roundProblems(before, link))
  await verifyPayload(findings, result.model)
  if (result.state !== null) await verifyPayload(findings, result.state)
  if (scope === 'Chain') return { ...link, states: [] }
  const about = { store, problems, read: <T>(reading: Promise<T>) => sound(findings, reading) }
  const { states, receipts } = await verifyStates(about, link, before.links.at(-1))
  for (const receipt of receipts) {
    const payload = statePayloadOf(receipt)
    if (payload !== null) await verifyPayload(findings, payload)
  }
  if (decision === null) return { ...link, states }
  const counted = await verifyUpdates(findings, decision)
  problems.push(...updateProblems(link, counted))
  const stated = counted.map(({ receipt }) => receipt)
  problems.push(...unnamedStates(link, stated))
  await verifyEvaluations(findings, decision, plan?.value.base?.payload.sha256 ?? null)
  const previous = before.links.at(-1)?.result.value
  if (previous !== undefined && counted.length === decision.updates.length)
    await verifyFold(findings, link, { previous, counted })
  return { ...link, states }
}

async function verifyDecision(
  findings: Findings,
  { decision: wanted }: Link['result']['value'],
  key: string,
): Promise<ClosedDecision | null> {
  if (wanted === null) return null
  const { store, problems } = findings
  const decision = await sound(findings, readRecord(store, 'decision', key))
  if (decision?.digest !== wanted) problems.push(`${key} is not what the result names`)
  if (decision?.value.kind === 'Closed') return decision.value
  problems.push(`${key} did not close the attempt`)
  return null
}

/** The receipts of the updates that count, without those that are missing or damaged. */
async function verifyUpdates(
  findings: Findings,
  { round, updates }: ClosedDecision,
): Promise<CountedUpdate[]> {
  const counted: CountedUpdate[] = []
  for (const entry of updates) {
    const key = attemptKeys(round, entry.attempt).receipt(entry.client)
    const there = await sound(findings, readRecord(findings.store, 'receipt', key))
    if (there?.digest !== entry.receipt) findings.problems.push(`${key} is not what the decision names`)
    if (there === undefined) continue
    counted.push({ entry, receipt: there.value })
    const payload = payloadOf(there.value)
    if (payload !== null) await verifyPayload(findings, payload)
  }
  return counted
}

/** The receipt of an evaluation may belong to an earlier attempt at the round. */
async function verifyEvaluations(
  findings: Findings,
  { round, attempt, evaluations }: ClosedDecision,
  base: string | null,
): Promise<void> {
  if (attempt > MOST_ATTEMPTS) {
    findings.problems.push(`round ${round} names attempt ${attempt}; a round has at most ${MOST_ATTEMPTS}`)
    return
  }
  for (const evaluation of evaluations) {
    const { client, receipt: wanted } = evaluation
    const found = await sound(findings, receiptWith(findings.store, { round, attempt, client, wanted }))
    findings.problems.push(
      ...(found === undefined
        ? [`round ${round}: the receipt of the evaluation by ${client} is missing, or is another receipt`]
        : evaluationProblems({ round, base }, evaluation, found)),
    )
  }
}

/** The client's receipt with this digest, from the newest attempt to the oldest. */
async function receiptWith(
  store: StoreReader,
  of: { round: number; attempt: number; client: string; wanted: string },
): Promise<Receipt | undefined> {
  for (let from = of.attempt; from >= 1; from -= 1) {
    const key = attemptKeys(of.round, from).receipt(of.client)
    const bytes = await store.get(key)
    if (bytes !== undefined && sha256(bytes) === of.wanted) return readMarker('receipt', key, bytes)
  }
  return undefined
}

async function verifyFold(
  findings: Findings,
  { result, plan, decision }: Unstated,
  { previous, counted }: { previous: RoundResult; counted: readonly CountedUpdate[] },
): Promise<void> {
  if (plan?.kind !== 'Train' || decision === null) return
  const { clipNorm } = decision
  const folding = foldProblems(findings.store, {
    ...{ plan, clipNorm, previous, counted },
    result: result.value,
  })
  const problems = await sound(findings, folding)
  if (problems === undefined) return
  findings.refolded += 1
  findings.problems.push(...problems)
}
