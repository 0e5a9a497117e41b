// Verifies a run's record from its bytes alone: every marker that a result names has the digest that it names, every result
// the result before it, every payload that is still there the digest of its marker. What retention deleted is counted.
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, MANIFEST_KEY, outputKey, RUN_KEY, resultKey } from '#protocol/keys.ts'
import type { ClosedDecision, PayloadRef, RoundResult } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { readPayload } from './aggregation/payload-reader.ts'
import { payloadOf } from './receipts.ts'
import { type Marked, readRecord } from './record.ts'

/** What was found. */
export interface Verification {
  /** Results in the chain, the evaluation of the last model included. */
  readonly results: number
  /** Payloads that were read and fit their digests. */
  readonly payloads: number
  /** Payloads that are not there (any more). */
  readonly absent: readonly string[]
  /** True where output/ is complete and fits its manifest. */
  readonly complete: boolean
  /** What does not fit, one sentence each; empty for a sound record. */
  readonly problems: readonly string[]
}

interface Findings {
  readonly store: ObjectStore
  readonly problems: string[]
  readonly absent: string[]
  payloads: number
}

/** Bytes read at a time: whole digest blocks. */
const READ_BYTES = 8 * 1024 * 1024

/** Reads everything that the record names. Throws what the store throws when it is out of reach. */
export async function verifyRecord(store: ObjectStore): Promise<Verification> {
  const findings: Findings = { store, problems: [], absent: [], payloads: 0 }
  const results = await verifyChain(findings)
  const complete = await verifyOutput(findings, results)
  const { problems, absent, payloads } = findings
  return { results: results.length, payloads, absent, complete, problems }
}

async function verifyChain(findings: Findings): Promise<Marked<RoundResult>[]> {
  const { store, problems } = findings
  const run = await sound(findings, readRecord(store, 'run', RUN_KEY))
  if (run === undefined) problems.push(`${RUN_KEY} is missing`)
  const results: Marked<RoundResult>[] = []
  for (let round = 0; ; round += 1) {
    const key = resultKey(round)
    const result = await sound(findings, readRecord(store, 'result', key))
    if (result === undefined) return results
    const { value } = result
    if (value.round !== round) problems.push(`${key} names round ${value.round}`)
    if (value.run !== run?.digest) problems.push(`${key} is of another ${RUN_KEY}`)
    if (value.previous !== (results.at(-1)?.digest ?? null))
      problems.push(`${key} does not follow the result before it`)
    await verifyResult(findings, value)
    results.push(result)
  }
}

async function verifyResult(findings: Findings, result: RoundResult): Promise<void> {
  const { store, problems } = findings
  const keys = attemptKeys(result.round, result.attempt)
  if (result.plan !== null) {
    const plan = await sound(findings, readRecord(store, 'plan', keys.plan))
    if (plan?.digest !== result.plan) problems.push(`${keys.plan} is not what the result names`)
  }
  if (result.decision !== null) {
    const decision = await sound(findings, readRecord(store, 'decision', keys.decision))
    if (decision?.digest !== result.decision) problems.push(`${keys.decision} is not what the result names`)
    if (decision?.value.kind === 'Closed') {
      await verifyUpdates(findings, decision.value)
      await verifyEvaluations(findings, decision.value)
    } else problems.push(`${keys.decision} did not close the attempt`)
  }
  await verifyPayload(findings, result.model)
  if (result.state !== null) await verifyPayload(findings, result.state)
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

/** An evaluation's receipt may lie in an earlier attempt at the round. */
async function verifyEvaluations(
  findings: Findings,
  { round, attempt, evaluations }: ClosedDecision,
): Promise<void> {
  for (const { client, receipt } of evaluations) {
    let found = false
    for (let from = attempt; from >= 1 && !found; from -= 1) {
      const bytes = await findings.store.get(attemptKeys(round, from).receipt(client))
      found = bytes !== undefined && sha256(bytes) === receipt
    }
    if (!found)
      findings.problems.push(
        `round ${round}: the receipt of the evaluation by ${client} is gone or another one`,
      )
  }
}

async function verifyPayload(findings: Findings, payload: PayloadRef): Promise<void> {
  const { store } = findings
  const { key, size } = payload
  if ((await store.size(key)) === undefined) {
    findings.absent.push(key)
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

/** What a reading comes to; a damaged object becomes a problem. */
async function sound<T>({ problems }: Findings, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    problems.push(error.message)
    return undefined
  }
}

/** The manifest's promises, as far as they concern the record. */
interface Manifest {
  readonly result: string
  readonly head: string
  readonly files: readonly { readonly name: string; readonly size: number; readonly sha256: string }[]
}

async function verifyOutput(
  { store, problems }: Findings,
  results: readonly Marked<RoundResult>[],
): Promise<boolean> {
  const bytes = await store.get(MANIFEST_KEY)
  if (bytes === undefined) return false
  const { result, head, files } = JSON.parse(new TextDecoder().decode(bytes)) as Manifest
  const digests = results.map(({ digest }) => digest)
  if (!digests.includes(head)) problems.push(`${MANIFEST_KEY} names a head that is not in the chain`)
  if (!digests.includes(result)) problems.push(`${MANIFEST_KEY} names a result that is not in the chain`)
  for (const { name, sha256: wanted } of files) {
    const file = await store.get(outputKey(name))
    if (file === undefined || sha256(file) !== wanted)
      problems.push(`${outputKey(name)} is not what ${MANIFEST_KEY} names`)
  }
  return true
}
