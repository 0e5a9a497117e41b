// Verifies the record of a Program run from its bytes alone. Each ask must follow the decision before it, each decision its ask, and the
// result the last decision. Contents, states, the result's files and the output must have the digests that markers name;
// verify-replies.ts verifies the replies. What the program computed is its own matter: nothing computes it again.
import { stateRule } from '#protocol/client-state.ts'
import type { Ask, ExchangeDecision, ProgramResult } from '#protocol/exchange.ts'
import {
  exchangeKeys,
  MANIFEST_KEY,
  outputKey,
  PROGRAM_RESULT_KEY,
  programKeys,
  RUN_KEY,
} from '#protocol/keys.ts'
import type { Manifest, RunRecord } from '#protocol/record.ts'
import { readStates } from './client-states.ts'
import { type Findings, sound, verifyEpochs, verifyPayload } from './findings.ts'
import { type Marked, readRecord } from './markers.ts'
import { verifySignatures } from './output-signatures.ts'
import { type ProgramFacts, programManifest } from './program-output.ts'
import type { Anchors, Verification } from './verification.ts'
import { digestOf, fileProblems, type Reading, verifyNames, type Wanted } from './verify-output.ts'
import { pinnedIn } from './verify-receipts.ts'
import { type Others, type StatesAt, verifyReplies, verifyRosterNames } from './verify-replies.ts'

/** A decided exchange. */
interface Link {
  readonly ask: Marked<Ask>
  readonly decision: Marked<ExchangeDecision>
}

/** Reads every object that the record names. */
export async function verifyProgram(
  findings: Findings,
  run: Marked<RunRecord>,
  { trust = { keys: [] }, roster }: { readonly [K in keyof Anchors]: Anchors[K] | undefined },
): Promise<Verification> {
  const { store, problems, absent } = findings
  const others: Others = { roster, remarks: [], unlisted: [] }
  const links = await verifyExchanges(findings, run, others)
  const result = await verifyResult(findings, run, links)
  const markers = [
    ...links.flatMap(({ ask, decision }) => [ask.value, decision.value]),
    ...(result ? [result.value] : []),
  ]
  await verifyEpochs(findings, new Set(markers.map(({ epoch }) => epoch)))
  await verifyLastStates(findings, links)
  const about = { store, problems, read: <T>(reading: Promise<T>) => sound(findings, reading) }
  const before = problems.length
  const marked = await about.read(readRecord(store, 'manifest', MANIFEST_KEY))
  const missing = marked === undefined && problems.length === before
  const facts = result && {
    run,
    result,
    exchanges: links.map(({ ask, decision }) => ({
      exchange: ask.value.exchange,
      ask: ask.digest,
      decision: decision.digest,
    })),
  }
  const output =
    marked === undefined ? NO_OUTPUT : await verifyProgramOutput(about, { manifest: marked, facts, trust })
  const contradictions = [
    ...output.contradictions,
    ...others.unlisted.map((sentence) => ({ source: 'Roster', sentence }) as const),
  ]
  const chain = [...links.map(({ decision }) => decision.digest), ...(result ? [result.digest] : [])]
  return {
    results: chain.length,
    exchanges: links.length,
    payloads: findings.payloads,
    refolded: 0,
    absent,
    manifest: marked?.value ?? null,
    complete: marked !== undefined,
    unfinished: missing && result !== undefined,
    head: chain.at(-1) ?? null,
    resumedFrom: null,
    chain,
    ...output,
    contradictions,
    remarks: others.remarks,
    problems: [...problems, ...contradictions.map(({ sentence }) => sentence)],
  }
}

const NO_OUTPUT = { listed: true, signed: [], contradictions: [] } as const

async function verifyExchanges(findings: Findings, run: Marked<RunRecord>, others: Others): Promise<Link[]> {
  const links: Link[] = []
  const counts = new Map<string, number>()
  const read = <T>(reading: Promise<T>): Promise<T | undefined> => sound(findings, reading)
  const about = { findings, keysOf: pinnedIn({ store: findings.store, read }), ...others }
  let states: StatesAt = {
    rule: stateRule((run.value.spec.strategy ?? {}) as object),
    last: [],
    map: undefined,
  }
  for (;;) {
    const previous = links.at(-1)?.decision.digest ?? run.digest
    const link = await verifyExchange(findings, { exchange: links.length + 1, previous, counts })
    if (link === undefined) break
    links.push(link)
    const { ask, decision } = link
    const { uid } = run.value
    states = await verifyReplies(about, { uid, ask: ask.value, decision: decision.value, before: states })
  }
  verifyRosterNames(
    others,
    links.map(({ ask }) => ask.value),
  )
  return links
}

/** Undefined where the exchange is not decided: it is open, or does not exist. */
async function verifyExchange(
  findings: Findings,
  {
    exchange,
    previous,
    counts,
  }: { readonly exchange: number; readonly previous: string; readonly counts: Map<string, number> },
): Promise<Link | undefined> {
  const { store, problems } = findings
  const keys = exchangeKeys(exchange)
  const ask = await sound(findings, readRecord(store, 'ask', keys.ask))
  const decision = await sound(findings, readRecord(store, 'exchange', keys.decision))
  if (ask === undefined) {
    const next = await store.size(exchangeKeys(exchange + 1).ask)
    if (decision !== undefined || next !== undefined) problems.push(`${keys.ask} is missing`)
    return undefined
  }
  await verifyMessages(findings, ask.value, counts)
  const rules: readonly (readonly [holds: boolean, sentence: string])[] = [
    [ask.value.exchange === exchange, `${keys.ask} names exchange ${ask.value.exchange}`],
    [ask.value.previous === previous, `${keys.ask} does not follow the decision before it`],
    [(decision?.value.ask ?? ask.digest) === ask.digest, `${keys.decision} decides another ask`],
    [(decision?.value.exchange ?? exchange) === exchange, `${keys.decision} names another exchange`],
  ]
  problems.push(...rules.flatMap(([holds, sentence]) => (holds ? [] : [sentence])))
  return decision && { ask, decision }
}

/** Messages are numbered at each client, and every content is there. */
async function verifyMessages(
  findings: Findings,
  { exchange, messages }: Ask,
  counts: Map<string, number>,
): Promise<void> {
  const keys = exchangeKeys(exchange)
  for (const { client, number } of messages) {
    const expected = counts.get(client) ?? 0
    if (number !== expected)
      findings.problems.push(`${keys.ask} numbers a message to ${client} ${number} in place of ${expected}`)
    counts.set(client, expected + 1)
  }
  const contents = new Map(messages.map(({ content }) => [content.sha256, content]))
  for (const content of contents.values())
    await verifyPayload(findings, { key: keys.content(content.sha256), ...content })
}

/** The newest map is what the last decision names, and each of its states is there. */
async function verifyLastStates(findings: Findings, links: readonly Link[]): Promise<void> {
  const map = links.at(-1)?.decision.value.map
  if (map === undefined) return
  const states = (await sound(findings, readStates(findings.store, { states: map }))) ?? []
  for (const { client, key } of states)
    if (key !== null && (await findings.store.size(key)) === undefined)
      findings.problems.push(`${key} is missing: it is the last state of ${client}`)
}

async function verifyResult(
  findings: Findings,
  run: Marked<RunRecord>,
  links: readonly Link[],
): Promise<Marked<ProgramResult> | undefined> {
  const { store, problems } = findings
  const result = await sound(findings, readRecord(store, 'program', PROGRAM_RESULT_KEY))
  if (result === undefined) return undefined
  const { exchanges, previous, model, files, epoch } = result.value
  if (exchanges !== links.length)
    problems.push(`${PROGRAM_RESULT_KEY} names ${exchanges} exchanges; the record has ${links.length}`)
  if (previous !== (links.at(-1)?.decision.digest ?? run.digest))
    problems.push(`${PROGRAM_RESULT_KEY} does not follow the last decision`)
  if (model !== null) await verifyPayload(findings, model)
  for (const { name, size, sha256 } of files) {
    const key = programKeys(epoch).file(name)
    if ((await sound(findings, digestOf(store, key, size))) === sha256) findings.payloads += 1
    else problems.push(`${key} is not what ${PROGRAM_RESULT_KEY} names`)
  }
  return result
}

/** undefined for a run.json with a number that JSON cannot hold: 1e999 is read as infinity. */
function manifestOf(facts: ProgramFacts): Manifest | undefined {
  try {
    return programManifest(facts)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** The manifest follows from the record, and every file of the output has its digest. */
async function verifyProgramOutput(
  about: Reading,
  {
    manifest,
    facts,
    trust,
  }: {
    readonly manifest: Marked<Manifest>
    readonly facts: ProgramFacts | undefined
    readonly trust: NonNullable<Anchors['trust']>
  },
): Promise<Pick<Verification, 'listed' | 'signed' | 'contradictions'>> {
  const { store, problems, read } = about
  if (facts === undefined) {
    problems.push(`${MANIFEST_KEY} exists, and the program of the run has no result`)
    return NO_OUTPUT
  }
  const wanted = manifestOf(facts)
  if (wanted === undefined) {
    problems.push(`${RUN_KEY} holds a number that no job can have, so the output cannot be derived`)
    return NO_OUTPUT
  }
  for (const field of ['name', 'round', 'rounds', 'result', 'head', 'evaluation'] as const)
    if (manifest.value[field] !== wanted[field])
      problems.push(`${MANIFEST_KEY} names another ${field} than the record has`)
  for (const { name, size, sha256 } of manifest.value.files)
    if ((await read(digestOf(store, outputKey(name), size))) !== sha256)
      problems.push(`${outputKey(name)} is not what ${MANIFEST_KEY} names`)
  const files: Wanted = wanted.files.map(({ name, sha256 }) => [name, sha256])
  problems.push(...fileProblems(manifest.value, files, "the program's result"))
  const { uid } = facts.run.value
  const output = { uid, manifest: manifest.value, manifestDigest: manifest.digest }
  const signatures = await read(verifySignatures(store, output, trust))
  problems.push(...(signatures?.problems ?? []))
  const keys = [...files.map(([name]) => outputKey(name)), ...(signatures?.names ?? [])]
  const { signed, contradictions } = signatures ?? NO_OUTPUT
  return { listed: await verifyNames(about, keys), signed, contradictions }
}
