// Brings a trainer's safetensors file into the one form that is uploaded: tensors sorted by name, no metadata, so that every
// update of a run has the same layout and the coordinator can read any slice of it by range. A float of 16 bits where the run
// keeps 32 is widened, exactly: a trainer may compute in half precision.
import { createWriteStream } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { FedsamError } from '#protocol/errors.ts'
import { keptBytes, keptDType } from '#protocol/half.ts'
import {
  canonicalHeader,
  headerLength,
  type PlacedTensor,
  parseHeader,
  type SafetensorsHeader,
} from '#protocol/safetensors.ts'
import type { TensorSpec } from '#protocol/tensors.ts'
import { readFully } from '#transport/file-bytes.ts'

/** Bytes of a file that are read to begin with: most headers are shorter. */
const FIRST_READ = 16 * 1024
/** Bytes of a tensor that are copied at a time: whole elements of every dtype. */
const COPY_BYTES = 1024 * 1024

/**
 * Rewrites the file in place where it is not canonical already. `base` is the model's file, in the run's dtypes; null where there
 * is none yet. Throws TrainerFailed for what is not safetensors.
 */
export async function canonicalise(file: string, base: string | null): Promise<void> {
  const { header, parsed } = await readHeader(file)
  const sorted = [...parsed.tensors].sort((a, b) => (a.name < b.name ? -1 : 1))
  const wider = base === null || !sorted.some(isNarrow) ? new Set<string>() : await widerIn(base)
  const specs = sorted.map(({ name, shape, dtype }): TensorSpec => {
    return { name, shape, dtype: wider.has(name) ? keptDType(dtype) : dtype }
  })
  const wanted = canonicalHeader(specs)
  if (Buffer.compare(header, wanted) === 0) return
  const draft = `${file}.canonical`
  const handle = await open(file)
  async function* body(): AsyncGenerator<Uint8Array> {
    yield wanted
    for (const tensor of sorted) yield* copied(handle, parsed.dataOffset, tensor, wider.has(tensor.name))
  }
  try {
    await pipeline(body(), createWriteStream(draft))
  } finally {
    await handle.close()
  }
  await rename(draft, file)
}

const isNarrow = ({ dtype }: TensorSpec): boolean => keptDType(dtype) !== dtype

/** Names of the tensors that the model has as F32. */
async function widerIn(base: string): Promise<Set<string>> {
  const { parsed } = await readHeader(base)
  return new Set(parsed.tensors.filter(({ dtype }) => dtype === 'F32').map(({ name }) => name))
}

async function* copied(
  handle: FileHandle,
  dataOffset: number,
  { dtype, begin, end }: PlacedTensor,
  widen: boolean,
): AsyncGenerator<Uint8Array> {
  for (let at = begin; at < end; at += COPY_BYTES) {
    const bytes = await readFully(handle, dataOffset + at, new Uint8Array(Math.min(COPY_BYTES, end - at)))
    yield widen ? keptBytes(dtype, bytes) : bytes
  }
}

async function readHeader(file: string): Promise<{ header: Uint8Array; parsed: SafetensorsHeader }> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new FedsamError('TrainerFailed', 'the trainer wrote no parameters', { cause })
  })
  try {
    const { size } = await handle.stat()
    const first = new Uint8Array(FIRST_READ)
    const { bytesRead } = await handle.read(first, 0, first.length, 0)
    const length = 8 + headerLength(first.subarray(0, bytesRead))
    if (length <= bytesRead)
      return { header: first.subarray(0, length), parsed: parseHeader(first.subarray(0, length), size) }
    const header = new Uint8Array(length)
    await handle.read(header, 0, length, 0)
    return { header, parsed: parseHeader(header, size) }
  } catch (cause) {
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    throw new FedsamError('TrainerFailed', `the trainer's parameters are not a safetensors file${why}`, {
      cause,
    })
  } finally {
    await handle.close()
  }
}
