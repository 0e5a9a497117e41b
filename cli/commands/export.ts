// `fedsam export`: writes a run's model as a complete checkpoint for Hugging Face: the base with the trained tensors in place, or
// the whole model where the trainer provided it. Trained tensors are float32, as in the record, unless the caller asks for their
// original dtype.
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { readRecord } from '#coordinator/record/markers.ts'
import {
  type Located,
  localFile,
  locate,
  storedFile,
  streamTensors,
  type TensorFile,
  type TensorStream,
  verifiedFile,
} from '#coordinator/record/tensor-files.ts'
import type { Verification } from '#coordinator/record/verify.ts'
import { configFiles, mergeTensors, weightFiles } from '#coordinator/record/whole-checkpoint.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { FloatDType } from '#protocol/half.ts'
import { narrowTensors } from '#protocol/initial-dtypes.ts'
import { baseKey, outputKey, RUN_KEY, resultKey } from '#protocol/keys.ts'
import { firstRound, type Manifest, type RunRecord } from '#protocol/record.ts'
import type { DType } from '#protocol/tensors.ts'
import { makeFolders } from '#runtime/folders.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { isJobReference } from '../cluster/find-job.ts'
import { SOURCE_OPTIONS, withRecord } from '../cluster/source.ts'
import { sourceText } from '../render/lines.ts'
import { plainText } from '../render/plain.ts'
import { print, printError } from '../render/screen.ts'
import { ANCHOR_OPTIONS, checkRecord, readAnchors, remediesFor } from '../run/checked-record.ts'
import { realPath } from '../run/source-record.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'

/** The command's body. */
export const exportRun: RunCommand = async (args) => {
  const { values, positionals } = readArguments(
    args,
    { ...SOURCE_OPTIONS, ...ANCHOR_OPTIONS, to: { type: 'string' }, dtype: { type: 'string' } } as const,
    ['SOURCE'],
  )
  if (values.to === undefined) throw new UsageError('--to FOLDER is missing: name a new or empty folder')
  const dtype = readDType(values.dtype)
  const anchors = await readAnchors(values)
  const target = resolve(values.to)
  const source = positionals[0]!
  await refuseUsed(target, source)
  return withRecord(source, values, async (store, reported) => {
    const found = await checkRecord(store, { anchors, reported })
    if (found.problems.length > 0) return refuse(found)
    if (found.exchanges !== null) throw nothingToExport(source)
    const { manifest } = found
    const { base, replaced, round, narrow, resumedFrom } = await exportModel(store, target, {
      dtype,
      manifest,
    })
    const within = base === null ? ', the whole model' : ` in ${base}`
    print(`${target}: ${replaced} trained tensors of round ${round}${within}`)
    if (resumedFrom !== undefined) print(`the run started from ${plainText(sourceText(resumedFrom))}`)
    if (narrow.length > 0) print(narrowText(dtype, narrow))
    return 0
  })
}

/** The model of a Program run is what its program left. */
function nothingToExport(source: string): FedsamError {
  return new FedsamError('InvalidJob', `${source} is a Program run, whose model has no base checkpoint`, {
    remedy: 'copy output/model.safetensors, which is the whole model of the program',
  })
}

type Base = NonNullable<RunRecord['base']>

const WEIGHTS = 'model.safetensors'
/** Bytes of the base that are copied at a time. */
const PART_BYTES = 8 * 1024 * 1024

/** Problems that are listed; more are counted. */
const MANY = 20

/** Refuses to export a record that is not sound: prints one line per problem. */
function refuse(found: Verification): number {
  const { problems } = found
  const more = problems.length - MANY
  printError(
    [
      'fedsam: the record is not sound, so nothing was exported',
      ...problems.slice(0, MANY).map((problem) => `  ${problem}`),
      ...(more > 0 ? [`  and ${more} more, see: fedsam verify`] : []),
      ...remediesFor(found).map((remedy) => `  ${remedy}`),
    ].join('\n'),
  )
  return 1
}

/** float32: as in the record. original: rounded once, to the dtype in which the run received the tensors. */
type ExportDType = 'float32' | 'original'

function readDType(text = 'float32'): ExportDType {
  if (text === 'float32' || text === 'original') return text
  throw new UsageError(`--dtype ${text} is not supported: write float32 or original`)
}

function narrowText(dtype: ExportDType, narrow: readonly DType[]): string {
  const came = `${narrow.length} of them came as ${[...new Set(narrow)].sort().join(' and ')}`
  return dtype === 'original'
    ? `${came}; they are rounded to that once`
    : `${came} and are float32 here, as the run kept them; --dtype original rounds them back`
}

/** The target must be absent or an empty folder, outside of the exported record. Throws OutputInUse. */
async function refuseUsed(target: string, source: string): Promise<void> {
  const names = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw unusable(`${target} cannot be written (${error.code})`)
  })
  if (names.length > 0) throw unusable(`${target} is not empty`)
  if (isJobReference(source) || source.startsWith('s3://')) return
  const [record, real] = [await realPath(resolve(source)), await realPath(target)]
  if (real === record || real.startsWith(record + sep))
    throw unusable(`${target} is within the run's own output`)
}

function unusable(message: string): FedsamError {
  return new FedsamError('OutputInUse', message, { remedy: 'name a new or empty folder with --to' })
}

/** The written checkpoint. */
interface Exported {
  readonly replaced: number
  readonly round: number
  readonly base: string | null
  /** The dtypes of the trained tensors that the run received as 16-bit floats. */
  readonly narrow: readonly DType[]
  /** The round of another run that the run started from. */
  readonly resumedFrom: RunRecord['resumedFrom']
}

/**
 * Writes the complete checkpoint of a verified record; `base` is null where the trainer provided the whole model. Compares every
 * byte with its digest again, in memory that does not grow with the model. Throws InvalidJob where the run is not complete,
 * RecordDamaged.
 */
async function exportModel(
  store: ObjectStore,
  target: string,
  { dtype, manifest }: { readonly dtype: ExportDType; readonly manifest: Manifest | null },
): Promise<Exported> {
  const run = await readRecord(store, 'run', RUN_KEY)
  if (run === undefined || manifest === null) {
    throw new FedsamError('InvalidJob', `${store.description} holds no complete run`, {
      remedy:
        'wait until the run is complete, or name the output folder, s3://bucket/prefix or fj/NAME of one that is',
    })
  }
  const { base, resumedFrom } = run.value
  const initial = await readRecord(store, 'result', resultKey(firstRound(run.value)))
  const cameAs = narrowTensors(initial?.value ?? { origin: null })
  const model = await modelOf(store, manifest)
  const trained =
    dtype === 'original' ? model.map((tensor) => inDType(tensor, cameAs.get(tensor.name))) : model
  const card = manifest.files.find(({ name }) => name === 'README.md')
  await makeFolders(target).catch((error: NodeJS.ErrnoException) => {
    throw unusable(`${target} cannot be written (${error.code})`)
  })
  if (base === null) await writeStreamed(target, streamTensors(trained))
  else await writeInto(store, target, base, trained)
  await writeFile(join(target, 'README.md'), await fileOf(store, outputKey('README.md'), card))
  return {
    replaced: trained.length,
    round: manifest.round,
    base: base?.uri ?? null,
    narrow: [...cameAs.values()],
    resumedFrom,
  }
}

/** The tensors of the output's model in the order of their bytes; each block is compared with the digest in the round's result. */
async function modelOf(store: ObjectStore, { round, result }: Manifest): Promise<Located[]> {
  const chosen = await readRecord(store, 'result', resultKey(round))
  if (chosen?.digest !== result) throw damaged(store, resultKey(round))
  const payload = { ...chosen.value.model, key: outputKey(WEIGHTS) }
  const tensors = await locate([verifiedFile(store, { payload })])
  return tensors.sort((a, b) => a.range.offset - b.range.offset)
}

/**
 * The base's configuration, and its weights with the trained tensors in place. The weights lie in the target while they are
 * merged.
 */
async function writeInto(
  store: ObjectStore,
  target: string,
  base: Base,
  trained: readonly Located[],
): Promise<void> {
  for (const file of configFiles(base))
    await writeFile(join(target, file.name), await fileOf(store, baseKey(base.digest, file.name), file))
  const drafts: string[] = []
  try {
    const files: TensorFile[] = []
    for (const { name, size, sha256: wanted } of await weightFiles(store, base)) {
      const draft = join(target, `${name}.base`)
      drafts.push(draft)
      const key = baseKey(base.digest, name)
      if ((await download(storedFile(store, key, size), draft)) !== wanted) throw damaged(store, key)
      files.push(localFile(draft, size))
    }
    await writeStreamed(target, mergeTensors(await locate(files), trained))
  } finally {
    for (const draft of drafts) await rm(draft, { force: true })
  }
}

/** Copies a file of the record to this machine; resolves to its SHA-256. */
async function download(file: TensorFile, path: string): Promise<string> {
  const hash = createHash('sha256')
  async function* parts(): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < file.size; offset += PART_BYTES) {
      const part = await file.read({ offset, length: Math.min(PART_BYTES, file.size - offset) })
      hash.update(part)
      yield part
    }
  }
  await pipeline(parts, createWriteStream(path))
  return hash.digest('hex')
}

async function writeStreamed(target: string, { chunks }: TensorStream): Promise<void> {
  await pipeline(chunks, createWriteStream(join(target, WEIGHTS)))
}

/** The bytes of a small file of the record. Throws RecordDamaged for other bytes than the record names. */
async function fileOf(
  store: ObjectStore,
  key: string,
  file: Manifest['files'][number] | undefined,
): Promise<Uint8Array> {
  const size = await store.size(key)
  const bytes =
    file !== undefined && size === file.size ? await store.get(key, { offset: 0, length: size }) : undefined
  if (bytes !== undefined && sha256(bytes) === file?.sha256) return bytes
  throw damaged(store, key)
}

function damaged({ description }: ObjectStore, key: string): FedsamError {
  return new FedsamError(
    'RecordDamaged',
    `${description}: ${key} is missing, or its bytes do not have the digest in the record`,
    {
      remedy: 'list all faults of the record: fedsam verify',
    },
  )
}

/** The tensor in the dtype that it came in; undefined: the run kept that dtype. */
function inDType(tensor: Located, rounded: FloatDType | undefined): Located {
  return rounded === undefined ? tensor : { ...tensor, dtype: rounded, rounded }
}
