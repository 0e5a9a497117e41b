// Writes the output bundle of a Program run from the record alone: the model and the files of the program's result, metrics, provenance and
// model card, and the manifest last. The bytes are a function of the record, as those of a run with rounds (output.ts).
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { ProgramResult } from '#protocol/exchange.ts'
import { MANIFEST_KEY, outputKey, programKeys, SIGNATURE_FOLDER } from '#protocol/keys.ts'
import type { OutputSigner } from '#protocol/output-signature.ts'
import type { Manifest, RunRecord } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { type Marked, type RunMarkers, readRecord } from './markers.ts'
import { programCard } from './model-card.ts'
import { writeSignature } from './output-signatures.ts'
import { storedFile } from './tensor-files.ts'
import { copyPayload } from './verified-copy.ts'

type OutputFile = Manifest['files'][number]

/** What a Program run came to. */
export interface ProgramFacts {
  readonly run: Marked<RunRecord>
  readonly result: Marked<ProgramResult>
  /** Digests of the asks and the decisions, in the order of the exchanges. */
  readonly exchanges: readonly {
    readonly exchange: number
    readonly ask: string
    readonly decision: string
  }[]
}

/** Files that every output has, and the folders that another kind of output has. */
const OWN_FILES = ['model.safetensors', 'metrics.json', 'provenance.json', 'README.md', 'manifest.json']
const OWN_FOLDERS = [SIGNATURE_FOLDER, 'checkpoint']
/** A plain name, or one in a folder of its own: what a manifest may name. */
const NAME = /^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)?$/
const LONGEST_NAME = 100
/** Bytes of one read. */
const COPY_BYTES = 8 * 1024 * 1024

/** Why the output cannot have files of these names; undefined where it can. No two names may differ in case alone. */
export function fileFault(names: readonly string[]): string | undefined {
  const seen = new Set<string>()
  const taken = OWN_FILES.map((name) => name.toLowerCase())
  for (const name of names) {
    const lower = name.toLowerCase()
    const [folder] = lower.split('/')
    if (name.length > LONGEST_NAME || !NAME.test(name))
      return `${JSON.stringify(name.slice(0, LONGEST_NAME))} is not a name of letters, digits, dots, "_" and "-", in at most one folder`
    if (taken.includes(lower) || OWN_FOLDERS.includes(folder!)) return `FedSAM writes a file ${name} itself`
    if (seen.has(lower)) return `${name} is named twice`
    seen.add(lower)
  }
  const folders = new Set([...seen].flatMap((name) => (name.includes('/') ? [name.split('/')[0]!] : [])))
  const both = [...seen].find((name) => folders.has(name))
  return both === undefined ? undefined : `${both} is a file and a folder`
}

/** Reads the facts of a run that has a result. Throws RecordDamaged. */
export async function programFacts(
  { run, ask, exchange: decision }: Pick<RunMarkers, 'run' | 'ask' | 'exchange'>,
  result: Marked<ProgramResult>,
): Promise<ProgramFacts> {
  const exchanges = []
  for (let exchange = 1; exchange <= result.value.exchanges; exchange += 1) {
    const [asked, decided] = [await ask(exchange), await decision(exchange)]
    if (asked === undefined || decided === undefined)
      throw new FedsamError('RecordDamaged', `exchange ${exchange} is not complete, and the run has a result`)
    exchanges.push({ exchange, ask: asked.digest, decision: decided.digest })
  }
  return { run, result, exchanges }
}

/** Writes output/. `signer` signs it, also where an earlier coordinator did; null leaves it unsigned. */
export async function writeProgramOutput(
  store: ObjectStore,
  facts: ProgramFacts,
  signer: OutputSigner | null,
): Promise<Manifest> {
  const { run, result } = facts
  const { model, files, epoch } = result.value
  if (model !== null) await copyPayload(store, { payload: model }, outputKey('model.safetensors'))
  for (const { name, size } of files)
    await copyFile(store, programKeys(epoch).file(name), outputKey(name), size)
  for (const { name, bytes } of programDescriptions(facts)) await store.put(outputKey(name), bytes)
  const bytes = (await store.get(MANIFEST_KEY)) ?? encodeJson(programManifest(facts))
  // The manifest is the last object, so an output that has one has a signature too.
  if (signer !== null) await writeSignature(store, signer, { uid: run.value.uid, bytes })
  await store.put(MANIFEST_KEY, bytes)
  const written = await readRecord(store, 'manifest', MANIFEST_KEY)
  if (written !== undefined) return written.value
  throw new FedsamError('StorageUnsuitable', `${MANIFEST_KEY} could not be read back after it was written`)
}

async function copyFile(store: ObjectStore, from: string, to: string, size: number): Promise<void> {
  const file = storedFile(store, from, size)
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < size; offset += COPY_BYTES)
      yield await file.read({ offset, length: Math.min(COPY_BYTES, size - offset) })
  }
  await store.write(to, size, chunks())
}

/** The manifest of the output: `round` and `rounds` are exchanges, and the result is the end of the chain. */
export function programManifest(facts: ProgramFacts): Manifest {
  const { run, result } = facts
  const { exchanges, model, files } = result.value
  const described = programDescriptions(facts).map(({ name, bytes }) => fileOf(name, bytes))
  const own: OutputFile[] =
    model === null ? [] : [{ name: 'model.safetensors', size: model.size, sha256: model.sha256 }]
  return {
    schema: 'fedsam.manifest/1',
    name: run.value.name,
    round: exchanges,
    rounds: exchanges,
    result: result.digest,
    head: result.digest,
    evaluation: null,
    files: [...own, ...files, ...described],
  }
}

function fileOf(name: string, bytes: Uint8Array): OutputFile {
  return { name, size: bytes.length, sha256: sha256(bytes) }
}

/** The files that describe the output. Their bytes follow from the record, and verification derives them again. */
export function programDescriptions({
  run,
  result,
  exchanges,
}: ProgramFacts): { name: string; bytes: Uint8Array }[] {
  const { value, digest } = result
  const { metrics, round } = value
  return [
    {
      name: 'metrics.json',
      bytes: encodeJson({ schema: 'fedsam.program-metrics/1', exchanges: value.exchanges, round, metrics }),
    },
    {
      name: 'provenance.json',
      bytes: encodeJson({
        schema: 'fedsam.program-provenance/1',
        run: run.value,
        runDigest: run.digest,
        exchanges,
        result: digest,
      }),
    },
    { name: 'README.md', bytes: new TextEncoder().encode(programCard(run.value, value)) },
  ]
}
