// Verifies a record's output and base checkpoint. The output's model must be the model of the round that the record chose, its
// other files must follow from the chain, and every byte must have its digest. The manifest alone proves nothing; its signatures do
// (output-signatures.ts), as far as the caller trusts a certifier.
import { createHash } from 'node:crypto'
import { canonicalJson, encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { baseKey, MANIFEST_KEY, outputKey, RUN_KEY } from '#protocol/keys.ts'
import type { Manifest, PayloadRef, RoundResult, RunRecord } from '#protocol/record.ts'
import { shortened } from '#protocol/text.ts'
import type { StoreReader } from '#transport/ports.ts'
import { type Marked, readRecord } from './markers.ts'
import { chosenResult, describingFiles, manifestOf, type OutputFacts } from './output.ts'
import { type Contradiction, type Trust, verifySignatures } from './output-signatures.ts'
import { historyOf, type Link, ruleOf } from './verify-round.ts'
import { CHECKPOINT_FOLDER, configFiles, wholeBase, wholeCheckpoint } from './whole-checkpoint.ts'

export interface Chain {
  readonly run: Marked<RunRecord> | undefined
  readonly links: readonly Link[]
}

/** Where to read, and where to add problems. `read` turns damage into a problem and undefined. */
export interface Reading {
  readonly store: StoreReader
  readonly problems: string[]
  read<T>(reading: Promise<T>): Promise<T | undefined>
}

/** Foreign files that are named; more are counted. Characters of such a name that are shown. */
const MANY = 20
const LONGEST_NAME = 200
/** Bytes that one read asks for. */
const READ_BYTES = 8 * 1024 * 1024

/** The base checkpoint in the record must be the one that run.json pins. */
export async function verifyBase(reading: Reading, { run }: Chain): Promise<void> {
  const { store, problems } = reading
  const base = run?.value.base
  if (!base) return
  if (sha256(encodeJson(base.files)) !== base.digest)
    problems.push('run.json names a base with another digest than its files have')
  for (const { name, size, sha256: wanted } of base.files) {
    const key = baseKey(base.digest, name)
    if ((await reading.read(digestOf(store, key, size))) !== wanted)
      problems.push(`${key} is not what run.json names`)
  }
}

/** What an output of the chain must have. */
interface Expected {
  readonly run: Marked<RunRecord>
  readonly chosen: Marked<RoundResult>
  readonly facts: OutputFacts
}

/** The manifest, if the output is complete, and whether the store could list the output. */
export interface VerifiedOutput {
  readonly manifest: Manifest | null
  readonly listed: boolean
  /** Epochs of the coordinators whose signatures of the output are valid. */
  readonly signed: readonly number[]
  readonly contradictions: readonly Contradiction[]
  /** There is no manifest; one that is damaged is a problem instead. */
  readonly missing: boolean
}

const NOTHING = { manifest: null, listed: true, signed: [], contradictions: [], missing: false } as const

/**
 * Every file that does not follow from the chain, or lacks its digest, becomes a problem, and so does every file that no output of
 * this chain has.
 */
export async function verifyOutput(reading: Reading, chain: Chain, trust: Trust): Promise<VerifiedOutput> {
  const { store, problems } = reading
  const before = problems.length
  const marked = await reading.read(readRecord(store, 'manifest', MANIFEST_KEY))
  if (marked === undefined) return { ...NOTHING, missing: problems.length === before }
  const manifest = marked.value
  const expected = expectedOf(chain)
  problems.push(...chainProblems(manifest, chain, expected))
  for (const { name, size, sha256: wanted } of manifest.files) {
    const key = outputKey(name)
    if ((await reading.read(digestOf(store, key, size))) !== wanted)
      problems.push(`${key} is not what ${MANIFEST_KEY} names`)
  }
  if (expected === undefined) return { ...NOTHING, manifest }
  const derived = derivedFiles(expected)
  if (derived === undefined) {
    problems.push(`${RUN_KEY} holds a number that no job can have, so the output cannot be derived`)
    return { ...NOTHING, manifest }
  }
  const wanted = [...derived, ...(await checkpointFiles(reading, expected))]
  problems.push(...fileProblems(manifest, wanted, `round ${expected.chosen.value.round}`))
  const { uid } = expected.run.value
  const output = { uid, manifest, manifestDigest: marked.digest }
  const signatures = await reading.read(verifySignatures(store, output, trust))
  problems.push(...(signatures?.problems ?? []))
  const keys = [...wanted.map(([name]) => outputKey(name)), ...(signatures?.names ?? [])]
  const { signed, contradictions } = signatures ?? NOTHING
  return { ...NOTHING, manifest, listed: await verifyNames(reading, keys), signed, contradictions }
}

/** The output that follows from the chain; undefined where the chain has no result of a trained model. */
function expectedOf({ run, links }: Chain): Expected | undefined {
  const evaluates = ({ plan }: Link): boolean => plan?.kind === 'Evaluate'
  const results = links.filter((link) => !evaluates(link)).map(({ result }) => result)
  const evaluated = links.findLast(evaluates)?.result ?? null
  if (run === undefined || results.length === 0) return undefined
  const facts: OutputFacts = { results, history: historyOf(links), evaluated }
  return { run, facts, chosen: chosenResult(ruleOf(run.value), facts) }
}

/** Differences between the manifest and the chain. */
function chainProblems(manifest: Manifest, { run, links }: Chain, expected: Expected | undefined): string[] {
  const named = links.find(({ result }) => result.digest === manifest.result)?.result.value.round
  const last = links.at(-1)?.result.digest
  const inChain = links.some(({ result }) => result.digest === manifest.head)
  const wanted = expected && manifestOf(expected.run, expected.chosen, expected.facts, manifest.files)
  const rules: readonly (readonly [holds: boolean, sentence: string])[] = [
    [inChain, 'names a head that is not in the chain'],
    [!inChain || manifest.head === last, 'names a head that is not the end of the chain'],
    [run === undefined || manifest.name === run.value.name, 'belongs to a run of another name'],
    [named !== undefined, 'names a result that is not in the chain'],
    [
      named === undefined || named === manifest.round,
      `names round ${manifest.round} and the result of round ${named}`,
    ],
    ...(wanted === undefined
      ? []
      : ([
          [
            named === undefined || named === wanted.round,
            `names round ${named}; the record chose round ${wanted.round}`,
          ],
          [
            manifest.rounds === wanted.rounds,
            `names ${manifest.rounds} rounds; the record has ${wanted.rounds}`,
          ],
          [
            canonicalJson(manifest.evaluation) === canonicalJson(wanted.evaluation),
            `names another evaluation than the record has of round ${wanted.round}`,
          ],
        ] as const)),
  ]
  return rules.flatMap(([holds, sentence]) => (holds ? [] : [`${MANIFEST_KEY} ${sentence}`]))
}

/** Files whose bytes follow from the record, by name. */
export type Wanted = readonly (readonly [name: string, digest: string | undefined])[]

/** undefined for a run.json with a number that JSON cannot hold: 1e999 is read as infinity. */
function derivedFiles({ run, chosen, facts }: Expected): Wanted | undefined {
  const { base } = run.value
  try {
    return [
      ['model.safetensors', chosen.value.model.sha256],
      ...describingFiles(run, chosen, facts).map(({ name, bytes }) => [name, sha256(bytes)] as const),
      ...(base === null ? [] : configFiles(base)).map(({ name, sha256: digest }) => [name, digest] as const),
    ]
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

export function fileProblems({ files }: Manifest, wanted: Wanted, of: string): string[] {
  const names = new Set(wanted.map(([name]) => name))
  return [
    ...wanted.flatMap(([name, digest]) => {
      const named = files.filter((file) => file.name === name)
      if (named.length === 0) return [`${MANIFEST_KEY} does not name ${name}`]
      if (named.length > 1) return [`${MANIFEST_KEY} names ${name} twice`]
      return named[0]!.sha256 === digest ? [] : [`${outputKey(name)} is not the file of ${of}`]
    }),
    ...files
      .filter(({ name }) => !names.has(name))
      .map(({ name }) => `${MANIFEST_KEY} names ${name}, which no output of this run has`),
  ]
}

/** Finds files that no output of this run has. Somebody who opens the folder would take them for a part of the model. */
export async function verifyNames(
  { store, problems, read }: Reading,
  wanted: readonly string[],
): Promise<boolean> {
  const keys = new Set([MANIFEST_KEY, ...wanted])
  const before = problems.length
  const there = await read(store.list(outputKey('')))
  const foreign = (there ?? []).filter((key) => !keys.has(key)).sort()
  problems.push(
    ...foreign
      .slice(0, MANY)
      .map((key) => `${shortened(key, LONGEST_NAME)} is not a file of this output: remove it`),
    ...(foreign.length > MANY ? [`${foreign.length - MANY} more files are not of this output`] : []),
  )
  return there !== undefined || problems.length > before
}

/** The whole checkpoint follows from base and model: it is made once more, for its digest. */
async function checkpointFiles({ store, read }: Reading, { run, chosen }: Expected): Promise<Wanted> {
  const base = wholeBase(run.value)
  if (base === null) return []
  // Retention may have deleted the round's own; the output has its bytes.
  const own = { ...chosen.value.model, key: outputKey('model.safetensors') }
  const digest = await read(streamDigest(store, base, own))
  const files: Wanted = [
    ['model.safetensors', digest],
    ...configFiles(base).map(({ name, sha256: config }) => [name, config] as const),
  ]
  return files.map(([name, wanted]) => [`${CHECKPOINT_FOLDER}/${name}`, wanted])
}

async function streamDigest(
  store: StoreReader,
  base: NonNullable<RunRecord['base']>,
  model: PayloadRef,
): Promise<string> {
  const hash = createHash('sha256')
  const { chunks } = await wholeCheckpoint(store, base, model)
  for await (const chunk of chunks()) hash.update(chunk)
  return hash.digest('hex')
}

/** SHA-256 of an object, read in parts; undefined where it is missing or has another size. */
export async function digestOf(store: StoreReader, key: string, size: number): Promise<string | undefined> {
  if ((await store.size(key)) !== size) return undefined
  const hash = createHash('sha256')
  for (let offset = 0; offset < size; offset += READ_BYTES) {
    const part = await store.get(key, { offset, length: Math.min(READ_BYTES, size - offset) })
    if (part === undefined) return undefined
    hash.update(part)
  }
  return hash.digest('hex')
}
