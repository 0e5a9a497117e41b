// `fedsam export`: a run's model as a complete checkpoint that Hugging Face opens: the base with the trained tensors in place. Where
// the trainer brought the whole model itself, that model with its card.
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { fromFloat32, isFloat32Readable, toFloat32 } from '#protocol/half.ts'
import { baseKey, MANIFEST_KEY, outputKey, RUN_KEY } from '#protocol/keys.ts'
import { type RunRecord, readMarker } from '#protocol/record.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { readCheckpoint, writeCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { SOURCE_OPTIONS, withRecord } from '../cluster/source.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'

/** The command's body. */
export const exportRun: RunCommand = async (args) => {
  const { values, positionals } = readArguments(
    args,
    { ...SOURCE_OPTIONS, to: { type: 'string' } } as const,
    ['SOURCE'],
  )
  if (values.to === undefined) throw new UsageError('--to FOLDER is missing')
  const target = resolve(values.to)
  await refuseUsed(target)
  const written = await withRecord(positionals[0]!, values, (store) => exportModel(store, target))
  const within = written.base === null ? ', the whole model' : ` in ${written.base}`
  process.stdout.write(`${target}: ${written.replaced} trained tensors of round ${written.round}${within}\n`)
  return 0
}

async function refuseUsed(target: string): Promise<void> {
  const names = await readdir(target).catch(() => [])
  if (names.length > 0) {
    throw new FedsamError('OutputInUse', `${target} is not empty`, {
      remedy: 'name another folder with --to',
    })
  }
}

/** Writes the complete checkpoint; `base` is null where the trainer brought it. Throws InvalidJob where the run is not complete. */
export async function exportModel(
  store: ObjectStore,
  target: string,
): Promise<{ replaced: number; round: number; base: string | null }> {
  const manifest = await store.get(MANIFEST_KEY)
  const run = await store.get(RUN_KEY)
  if (run === undefined || manifest === undefined) {
    throw new FedsamError('InvalidJob', `${store.description} holds no complete run`, {
      remedy:
        'name the output folder of a run that is complete, its s3://bucket/prefix, or fj/NAME of a cluster',
    })
  }
  const { base } = readMarker('run', RUN_KEY, run)
  const model = await payloadOf(store, outputKey('model.safetensors'))
  const trained = readSafetensors(model)
  await mkdir(target, { recursive: true })
  if (base === null) await writeFile(join(target, 'model.safetensors'), model)
  else await writeInto(store, target, base, trained)
  const { round } = JSON.parse(new TextDecoder().decode(manifest)) as { round: number }
  await writeFile(join(target, 'README.md'), await readModelCard(store))
  return { replaced: trained.length, round, base: base?.uri ?? null }
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
  for (const tensor of trained) tensors.set(tensor.name, inDType(tensor, tensors.get(tensor.name)))
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

/** The trained tensor in the dtype that the base has it in. */
function inDType(tensor: Tensor, like: Tensor | undefined): Tensor {
  if (like === undefined || like.dtype === tensor.dtype || !isFloat32Readable(like.dtype)) return tensor
  return { ...tensor, dtype: like.dtype, data: fromFloat32(toFloat32(tensor), like.dtype) }
}
