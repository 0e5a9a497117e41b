// Verifies a run's record from its bytes alone. Each result must follow the result before it; plans, decisions, receipts and
// payloads must have the digests that markers name. Payloads that retention deleted are listed as absent. verify-output.ts
// verifies the base checkpoint and the output.
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, RUN_KEY, resultKey } from '#protocol/keys.ts'
import {
  type ClosedDecision,
  firstRound,
  type Manifest,
  type PayloadRef,
  type RunRecord,
} from '#protocol/record.ts'
import type { StoreReader } from '#transport/ports.ts'
import { readPayload } from '../aggregation/payload-reader.ts'
import { payloadOf } from './marker-facts.ts'
import { type Marked, readRecord } from './markers.ts'
import { verifyDecisions } from './verify-decisions.ts'
import { type Chain, type Link, verifyBase, verifyOutput } from './verify-output.ts'

/** The result of a verification. */
export interface Verification {
  /** Results in the chain, the evaluation of the last model included. */
  readonly results: number
  /** Payloads that were read and that have their digests. */
  readonly payloads: number
  /** Keys of payloads that the store does not have, because they were deleted or are lost. */
  readonly absent: readonly string[]
  /** The manifest of output/, if the output is complete; null if it is missing or damaged. */
  readonly manifest: Manifest | null
  readonly complete: boolean
  /** The digest of the last result, which fixes every marker before it. Null for an empty chain. */
  readonly head: string | null
  /** The round of another run that the run started from; null where it started with round 0, or run.json is unreadable. */
  readonly resumedFrom: NonNullable<RunRecord['resumedFrom']> | null
  /** The digests of all results, in their order. */
  readonly chain: readonly string[]
  /** One sentence for each fault; empty for a sound record. */
  readonly problems: readonly string[]
}

interface Findings {
  readonly store: StoreReader
  readonly scope: Scope
  readonly problems: string[]
  readonly absent: string[]
  payloads: number
}

/**
 * Everything; or, before an export, all but the payloads of the rounds: the output has a copy of the one that counts. Chain:
 * results, plans and decisions, which is what a model's place in the chain rests on.
 */
export type Scope = 'Everything' | 'Output' | 'Chain'

/** Attempts of a round that are searched for a receipt: above the largest round.maxFailedRounds that a job may have. */
const MOST_ATTEMPTS = 10_000
/** Bytes that one read asks for: whole digest blocks. */
const READ_BYTES = 8 * 1024 * 1024

/** Reads every object that the record names. Throws what the store throws where it cannot be reached. */
export async function verifyRecord(store: StoreReader, scope: Scope = 'Everything'): Promise<Verification> {
  const findings: Findings = { store, scope, problems: [], absent: [], payloads: 0 }
  const chain = await verifyChain(findings)
  const read = <T>(reading: Promise<T>): Promise<T | undefined> => sound(findings, reading)
  const about = { store, problems: findings.problems, read }
  await verifyBase(about, chain)
  const manifest = await verifyOutput(about, chain)
  const { problems, absent, payloads } = findings
  const digests = chain.links.map(({ result }) => result.digest)
  const chained = { results: digests.length, chain: digests, head: digests.at(-1) ?? null }
  const resumedFrom = chain.run?.value.resumedFrom ?? null
  return { ...chained, resumedFrom, payloads, absent, manifest, complete: manifest !== null, problems }
}

/** The chain up to a round, and its faults. It reads no payload and no receipt. */
export async function verifyUpTo(
  store: StoreReader,
  last: number,
): Promise<{ readonly chain: Chain; readonly problems: readonly string[] }> {
  const findings: Findings = { store, scope: 'Chain', problems: [], absent: [], payloads: 0 }
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
    if (result === undefined) break
    const { value } = result
    if (value.round !== round) problems.push(`${key} names round ${value.round}`)
    if (value.run !== run?.digest) problems.push(`${key} belongs to another ${RUN_KEY}`)
    if (value.previous !== previous) problems.push(`${key} does not follow the result before it`)
    previous = result.digest
    links.push(await verifyResult(findings, result))
  }
  const about = { store, problems, read: <T>(reading: Promise<T>) => sound(findings, reading) }
  await verifyDecisions(about, { run, links }, findings.scope === 'Everything')
  return { run, links }
}

/** Reads a marker that must exist. A missing marker becomes a problem. */
async function existing<T>(
  findings: Findings,
  reading: Promise<Marked<T> | undefined>,
  key: string,
): Promise<Marked<T> | undefined> {
  const before = findings.problems.length
  const found = await sound(findings, reading)
  // `sound` has reported damage already.
  if (found === undefined && findings.problems.length === before) findings.problems.push(`${key} is missing`)
  return found
}

async function verifyResult(findings: Findings, marked: Link['result']): Promise<Link> {
  const { store, problems } = findings
  const result = marked.value
  const keys = attemptKeys(result.round, result.attempt)
  const plan = result.plan === null ? null : await sound(findings, readRecord(store, 'plan', keys.plan))
  if (plan !== null && plan?.digest !== result.plan)
    problems.push(`${keys.plan} is not what the result names`)
  const decision = await verifyDecision(findings, result, keys.decision)
  await verifyPayload(findings, result.model)
  if (result.state !== null) await verifyPayload(findings, result.state)
  return { result: marked, plan: plan?.value ?? null, decision }
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
  if (decision?.value.kind !== 'Closed') {
    problems.push(`${key} did not close the attempt`)
    return null
  }
  if (findings.scope !== 'Chain') {
    await verifyUpdates(findings, decision.value)
    await verifyEvaluations(findings, decision.value)
  }
  return decision.value
}

async function verifyUpdates(findings: Findings, { round, updates }: ClosedDecision): Promise<void> {
  for (const { client, attempt, receipt } of updates) {
    const key = attemptKeys(round, attempt).receipt(client)
    const there = await sound(findings, readRecord(findings.store, 'receipt', key))
    if (there?.digest !== receipt) findings.problems.push(`${key} is not what the decision names`)
    const payload = there === undefined ? null : payloadOf(there.value)
    if (payload !== null) await verifyPayload(findings, payload)
  }
}

/** The receipt of an evaluation may belong to an earlier attempt at the round. */
async function verifyEvaluations(
  findings: Findings,
  { round, attempt, evaluations }: ClosedDecision,
): Promise<void> {
  if (attempt > MOST_ATTEMPTS) {
    findings.problems.push(`round ${round} names attempt ${attempt}; a round has at most ${MOST_ATTEMPTS}`)
    return
  }
  for (const { client, receipt } of evaluations) {
    let found = false
    for (let from = attempt; from >= 1 && !found; from -= 1) {
      const bytes = await findings.store.get(attemptKeys(round, from).receipt(client))
      found = bytes !== undefined && sha256(bytes) === receipt
    }
    if (!found)
      findings.problems.push(
        `round ${round}: the receipt of the evaluation by ${client} is missing, or is another receipt`,
      )
  }
}

async function verifyPayload(findings: Findings, payload: PayloadRef): Promise<void> {
  const { store, scope } = findings
  if (scope !== 'Everything') return
  const { key, size } = payload
  const stored = await store.size(key)
  if (stored === undefined) return void findings.absent.push(key)
  if (stored !== size) {
    findings.problems.push(`${key} has ${stored} bytes; its marker names ${size}`)
    return
  }
  const read = async (): Promise<true> => {
    for (let begin = 0; begin < size; begin += READ_BYTES) {
      await readPayload(store, { payload }, [begin, Math.min(begin + READ_BYTES, size)])
    }
    return true
  }
  if ((await sound(findings, read())) === true) findings.payloads += 1
}

/** Awaits a reading. A damaged object becomes a problem, and the result is undefined. */
async function sound<T>({ problems }: Findings, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    problems.push(error.message)
    return undefined
  }
}
