// A whole checkpoint as Hugging Face's SamModel opens it: the base's tensors with the trained ones in their places, in one file.
// Its bytes are a function of the two alone, and are streamed: no memory grows with the model. For the output, its verification
// and an export.
import { decodeJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteOutputSpec } from '#protocol/generated/federatedjob.ts'
import { baseKey } from '#protocol/keys.ts'
import type { PayloadRef, RunRecord } from '#protocol/record.ts'
import { SafetensorsError } from '#protocol/safetensors.ts'
import { POSITIONAL, POSITIONAL_ALIAS } from '#protocol/segment-anything.ts'
import type { StoreReader } from '#transport/ports.ts'
import {
  type Located,
  locate,
  storedFile,
  streamTensors,
  type TensorStream,
  verifiedFile,
} from './tensor-files.ts'

type Base = NonNullable<RunRecord['base']>

const WEIGHTS = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'

/** The folder of the output that holds the whole checkpoint. */
export const CHECKPOINT_FOLDER = 'checkpoint'

/** The base of a run whose output holds the whole checkpoint (spec.output.fullCheckpoint); null for any other run. */
export function wholeBase({ spec, base }: RunRecord): Base | null {
  const { fullCheckpoint } = (spec.output ?? {}) as Partial<CompleteOutputSpec>
  return fullCheckpoint === true ? base : null
}

/** The base's files that go into the checkpoint as they are. */
export function configFiles({ files }: Base): Base['files'] {
  return files.filter(({ name }) => name.endsWith('config.json'))
}

/** The base's files that hold its weights: those that its index names, else model.safetensors. Throws RecordDamaged. */
export async function weightFiles(store: StoreReader, { digest, files }: Base): Promise<Base['files']> {
  const index = files.some(({ name }) => name === INDEX) ? await store.get(baseKey(digest, INDEX)) : undefined
  const names = index === undefined ? [WEIGHTS] : shardsOf(index)
  return names.map((name) => {
    const file = files.find((one) => one.name === name)
    if (file !== undefined) return file
    throw new FedsamError('RecordDamaged', `${store.description}: the base checkpoint has no file ${name}`)
  })
}

function shardsOf(index: Uint8Array): string[] {
  try {
    const { weight_map: map } = decodeJson(index) as { readonly weight_map: Readonly<Record<string, string>> }
    return [...new Set(Object.values(map))]
  } catch (cause) {
    throw new FedsamError('RecordDamaged', `the base checkpoint's ${INDEX} names no files`, { cause })
  }
}

/** The file from tensors that were located: names sorted, a tied tensor once, with the metadata that Hugging Face asks for. */
export function mergeTensors(base: readonly Located[], trained: readonly Located[]): TensorStream {
  const tensors = new Map([...base, ...trained].map((tensor) => [tensor.name, tensor]))
  const alias = tensors.get(POSITIONAL_ALIAS)
  if (alias !== undefined) {
    tensors.delete(POSITIONAL_ALIAS)
    if (!tensors.has(POSITIONAL)) tensors.set(POSITIONAL, { ...alias, name: POSITIONAL })
  }
  const sorted = [...tensors.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  return streamTensors(sorted, { format: 'pt' })
}

/** The file from a record: its base, and a model of the run. Throws RecordDamaged, also while it is read. */
export async function wholeCheckpoint(
  store: StoreReader,
  base: Base,
  model: PayloadRef,
): Promise<TensorStream> {
  const files = await weightFiles(store, base)
  const stored = files.map(({ name, size }) => storedFile(store, baseKey(base.digest, name), size))
  try {
    return mergeTensors(await locate(stored), await locate([verifiedFile(store, { payload: model })]))
  } catch (cause) {
    if (!(cause instanceof SafetensorsError)) throw cause
    throw new FedsamError('RecordDamaged', `${store.description}: the base checkpoint: ${cause.message}`, {
      cause,
    })
  }
}
