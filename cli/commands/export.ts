// `fedsam export`: a run's model as a complete checkpoint that Hugging Face opens: the base with the trained tensors in place. Where
// the trainer brought the whole model itself, that model with its card. Trained tensors are float32, as the run kept them, unless
// the caller asks for the dtype that they came in.
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { type FloatDType, fromFloat32, toFloat32 } from '#protocol/half.ts'
import { baseKey, MANIFEST_KEY, outputKey, RUN_KEY, resultKey } from '#protocol/keys.ts'
import { type RunRecord, readMarker } from '#protocol/record.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import type { DType, Tensor } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { readCheckpoint, writeCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { SOURCE_OPTIONS, withRecord } from '../cluster/source.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'

/** The command's body. */
export const exportRun: RunCommand = async (args) => {
  const { values, positionals } = readArguments(
    args,
    { ...SOURCE_OPTIONS, to: { type: 'string' }, dtype: { type: 'string' } } as const,
    ['SOURCE'],
  )
  if (values.to === undefined) throw new UsageError('--to FOLDER is missing')
  const dtype = readDType(values.dtype)
  const target = resolve(values.to)
  await refuseUsed(target)
  const written = await withRecord(positionals[0]!, values, (store) => exportModel(store, target, dtype))
  const within = written.base === null ? ', the whole model' : ` in ${written.base}`
  process.stdout.write(`${target}: ${written.replaced} trained tensors of round ${written.round}${within}\n`)
  if (written.narrow.length > 0) process.stdout.write(narrowText(dtype, written.narrow))
  return 0
}

/** float32: as the run kept them. original: rounded once, to the dtype in which the run was given them. */
type ExportDType = 'float32' | 'original'

function readDType(text = 'float32'): ExportDType {
  if (text === 'float32' || text === 'original') return text
  throw new UsageError(`--dtype is ${text}; write float32 or original`)
}

function narrowText(dtype: ExportDType, narrow: readonly DType[]): string {
  const came = `${narrow.length} of them came as ${[...new Set(narrow)].sort().join(' and ')}`
  return dtype === 'original'
    ? `${came}; they are rounded to that once\n`
    : `${came} and are float32 here, as the run kept them; --dtype original rounds them back\n`
}

async function refuseUsed(target: string): Promise<void> {
  const names = await readdir(target).catch(() => [])
  if (names.length > 0) {
    throw new FedsamError('OutputInUse', `${target} is not empty`, {
      remedy: 'name another folder with --to',
    })
  }
}

/** What was written. */
interface Exported {
  readonly replaced: number
  readonly round: number
  readonly base: string | null
  /** The dtypes of the trained tensors that the run was given as 16-bit floats. */
  readonly narrow: readonly DType[]
}

/** Writes the complete checkpoint; `base` is null where the trainer brought it. Throws InvalidJob where the run is not complete. */
export async function exportModel(store: ObjectStore, target: string, dtype: ExportDType): Promise<Exported> {
  const manifest = await store.get(MANIFEST_KEY)
  const run = await store.get(RUN_KEY)
  if (run === undefined || manifest === undefined) {
    throw new FedsamError('InvalidJob', `${store.description} holds no complete run`, {
      remedy:
        'name the output folder of a run that is complete, its s3://bucket/prefix, or fj/NAME of a cluster',
    })
  }
  const { base } = readMarker('run', RUN_KEY, run)
  const model = readSafetensors(await payloadOf(store, outputKey('model.safetensors')))
  const cameAs = await narrowTensors(store)
  const trained = dtype === 'original' ? model.map((tensor) => inDType(tensor, cameAs[tensor.name])) : model
  await mkdir(target, { recursive: true })
  if (base === null) await writeFile(join(target, 'model.safetensors'), writeSafetensors(trained))
  else await writeInto(store, target, base, trained)
  const { round } = JSON.parse(new TextDecoder().decode(manifest)) as { round: number }
  await writeFile(join(target, 'README.md'), await readModelCard(store))
  return { replaced: trained.length, round, base: base?.uri ?? null, narrow: Object.values(cameAs) }
}

/** The 16-bit floats that the run was given and has kept as float32, by name. */
async function narrowTensors(store: ObjectStore): Promise<Readonly<Record<string, FloatDType>>> {
  const key = resultKey(0)
  return readMarker('result', key, await payloadOf(store, key)).origin?.narrow ?? {}
}

/** The base's files, with the trained tensors in place. */
async function writeInto(
  store: ObjectStore,
  target: string,
  base: NonNullable<RunRecord['base']>,
  trained: readonly Tensor[],
): Promise<void> {
  for (const { name } of base.files)
    await writeFile(join(target, name), await payloadOf(store, baseKey(base.digest, name)))
  const checkpoint = await readCheckpoint(target)
  const tensors = new Map(checkpoint.tensors)
  for (const tensor of trained) tensors.set(tensor.name, tensor)
  await writeCheckpoint(target, { configJson: checkpoint.configJson, tensors })
}

async function payloadOf(store: ObjectStore, key: string): Promise<Uint8Array> {
  const bytes = await store.get(key)
  if (bytes !== undefined) return bytes
  throw new FedsamError('RecordDamaged', `${store.description}: ${key} is missing`, {
    remedy: 'see what else is: fedsam verify',
  })
}

async function readModelCard(store: ObjectStore): Promise<Uint8Array> {
  return (await store.get(outputKey('README.md'))) ?? new Uint8Array()
}

function inDType(tensor: Tensor, dtype: FloatDType | undefined): Tensor {
  if (dtype === undefined) return tensor
  return { ...tensor, dtype, data: fromFloat32(toFloat32(tensor), dtype) }
}
