// Verifies a record's output and base checkpoint. The output's model must be the model of the round that the record chose, its
// other files must follow from the chain, and every byte must have its digest. The manifest alone proves nothing, because it is
// not signed.
import { createHash } from 'node:crypto'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { baseKey, MANIFEST_KEY, outputKey } from '#protocol/keys.ts'
import type { ClosedDecision, Manifest, PayloadRef, Plan, RoundResult, RunRecord } from '#protocol/record.ts'
import type { StoreReader } from '#transport/ports.ts'
import { type Marked, readRecord } from './markers.ts'
import { metricsFile, provenanceFile } from './output.ts'
import { CHECKPOINT_FOLDER, configFiles, wholeBase, wholeCheckpoint } from './whole-checkpoint.ts'

/** One result of the chain with its plan and decision; null where the result names none, or where the marker is damaged. */
export interface Link {
  readonly result: Marked<RoundResult>
  readonly plan: Plan | null
  readonly decision: ClosedDecision | null
}

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

/**
 * The manifest, if the output is complete. Every file that does not follow from the chain, or lacks its digest, becomes a
 * problem.
 */
export async function verifyOutput(reading: Reading, chain: Chain): Promise<Manifest | null> {
  const { store, problems } = reading
  const manifest = (await reading.read(readRecord(store, 'manifest', MANIFEST_KEY)))?.value
  if (manifest === undefined) return null
  const digests = chain.links.map(({ result }) => result.digest)
  if (!digests.includes(manifest.head)) problems.push(`${MANIFEST_KEY} names a head that is not in the chain`)
  else if (manifest.head !== digests.at(-1))
    problems.push(`${MANIFEST_KEY} names a head that is not the end of the chain`)
  if (chain.run !== undefined && manifest.name !== chain.run.value.name)
    problems.push(`${MANIFEST_KEY} belongs to a run of another name`)
  const chosen = chain.links.find(({ result }) => result.digest === manifest.result)
  if (chosen === undefined) problems.push(`${MANIFEST_KEY} names a result that is not in the chain`)
  else {
    problems.push(...chosenProblems(manifest, chain, chosen), ...derivedProblems(manifest, chain, chosen))
    problems.push(...(await checkpointProblems(reading, manifest, chain, chosen)))
  }
  for (const { name, size, sha256: wanted } of manifest.files) {
    const key = outputKey(name)
    if ((await reading.read(digestOf(store, key, size))) !== wanted)
      problems.push(`${key} is not what ${MANIFEST_KEY} names`)
  }
  return manifest
}

/** The output must have the model of the best round if the record has one, else of the last round. */
function chosenProblems(manifest: Manifest, { links }: Chain, chosen: Link): string[] {
  const trained = links.filter(({ plan }) => plan?.kind !== 'Evaluate')
  const best = links.findLast(({ decision }) => decision !== null)?.decision?.best?.round
  const wanted = best ?? trained.at(-1)?.result.value.round
  const { round } = chosen.result.value
  return [
    ...(round === manifest.round
      ? []
      : [`${MANIFEST_KEY} names round ${manifest.round} and the result of round ${round}`]),
    ...(round === wanted ? [] : [`${MANIFEST_KEY} names round ${round}; the record chose round ${wanted}`]),
  ]
}

/** Files whose bytes follow from the record. */
function derivedProblems(manifest: Manifest, { run, links }: Chain, chosen: Link): string[] {
  const { model, round } = chosen.result.value
  const trained = links.filter(({ plan }) => plan?.kind !== 'Evaluate').map(({ result }) => result)
  const history = links.flatMap(({ decision }) =>
    decision === null || decision.evaluation === null
      ? []
      : [{ round: decision.round - 1, evaluation: decision.evaluation }],
  )
  const all = links.map(({ result }) => result)
  const wanted: Wanted = [
    ['model.safetensors', model.sha256],
    ['metrics.json', sha256(metricsFile(trained, history))],
    ['provenance.json', run && sha256(provenanceFile(run, round, all))],
    ...(run?.value.base ? configFiles(run.value.base) : []).map(
      ({ name, sha256: digest }) => [name, digest] as const,
    ),
  ]
  return namedProblems(manifest, wanted, round)
}

type Wanted = readonly (readonly [name: string, digest: string | undefined])[]

function namedProblems({ files }: Manifest, wanted: Wanted, round: number): string[] {
  return wanted.flatMap(([name, digest]) => {
    const named = files.find((file) => file.name === name)
    if (named === undefined) return [`${MANIFEST_KEY} does not name ${name}`]
    return named.sha256 === digest ? [] : [`${outputKey(name)} is not the file of round ${round}`]
  })
}

/** The whole checkpoint follows from base and model: it is made once more, and its digest compared. */
async function checkpointProblems(
  { store, read }: Reading,
  manifest: Manifest,
  { run }: Chain,
  { result }: Link,
): Promise<string[]> {
  const base = run === undefined ? null : wholeBase(run.value)
  if (base === null) return []
  const { round, model } = result.value
  // Retention may have deleted the round's own; the output has its bytes.
  const own = { ...model, key: outputKey('model.safetensors') }
  const digest = await read(streamDigest(store, base, own))
  const wanted: Wanted = [
    ['model.safetensors', digest],
    ...configFiles(base).map(({ name, sha256: config }) => [name, config] as const),
  ]
  return namedProblems(
    manifest,
    wanted.map(([name, wantedDigest]) => [`${CHECKPOINT_FOLDER}/${name}`, wantedDigest]),
    round,
  )
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
async function digestOf(store: StoreReader, key: string, size: number): Promise<string | undefined> {
  if ((await store.size(key)) !== size) return undefined
  const hash = createHash('sha256')
  for (let offset = 0; offset < size; offset += READ_BYTES) {
    const part = await store.get(key, { offset, length: Math.min(READ_BYTES, size - offset) })
    if (part === undefined) return undefined
    hash.update(part)
  }
  return hash.digest('hex')
}
