// Converts a trainer's safetensors file to the canonical form that is uploaded: tensors sorted by name, no metadata. So every
// update of a run has the same layout, and the coordinator can read any slice by range. It widens 16-bit floats exactly where the
// run keeps 32 bits, for trainers that compute in half precision. It opens the trainer's file once; a file that later gets the
// same path is not read.
import { type FileHandle, open, rm } from 'node:fs/promises'
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
import { readFully, writeFully } from '#runtime/file-bytes.ts'
import { type ForeignFile, holdFile, openForeign } from '../trainer/foreign-file.ts'

/** Bytes that the first read of a file asks for: most headers are shorter, so one read is enough. */
const FIRST_READ = 16 * 1024
/** Bytes of a tensor that are copied at a time: bounds the memory; a multiple of every element's size. */
const COPY_BYTES = 1024 * 1024

/** Largest update of a run that has no model yet, in bytes: above any model that fits a worker's disk. */
const LONGEST_FIRST = 256 * 2 ** 30
/** Bytes that an update may have beyond twice the model's size: its header can be longer than the model's. */
const HEADER_BYTES = 16 * 2 ** 20
const WHAT = "the trainer's output"

/**
 * Opens the update that a trainer wrote to `path`, in canonical form: the file itself where it has that form, else a copy without a
 * name. `base` is the model's file, in the run's dtypes; null before round 0 has one. The caller closes the result. Throws
 * TrainerFailed for a file that is not regular, not safetensors, or more than twice as large as the model.
 */
export async function openUpdate(path: string, base: string | null): Promise<ForeignFile> {
  const file = await openForeign(path, base === null ? LONGEST_FIRST : await mostBytes(base), WHAT)
  if (file === undefined) throw new FedsamError('TrainerFailed', 'the trainer wrote no parameters', NO_OUTPUT)
  try {
    const copy = await copyUnlessCanonical(file, { path, base })
    if (copy === undefined) return file
    await file.close()
    return copy
  } catch (error) {
    await file.close()
    throw error
  }
}

const NO_OUTPUT = { remedy: 'write a safetensors file to the path that the call names, before the answer' }

async function mostBytes(base: string): Promise<number> {
  return 2 * (await withModel(base, async ({ size }) => size)) + HEADER_BYTES
}

async function copyUnlessCanonical(
  file: ForeignFile,
  { path, base }: { readonly path: string; readonly base: string | null },
): Promise<ForeignFile | undefined> {
  const { header, parsed } = await readHeader(file)
  const sorted = [...parsed.tensors].sort((a, b) => (a.name < b.name ? -1 : 1))
  const wider = base === null || !sorted.some(isNarrow) ? new Set<string>() : await widerIn(base)
  const specs = sorted.map(({ name, shape, dtype }): TensorSpec => {
    return { name, shape, dtype: wider.has(name) ? keptDType(dtype) : dtype }
  })
  const wanted = canonicalHeader(specs)
  if (Buffer.compare(header, wanted) === 0) return undefined
  const draft = `${path}.canonical`
  await rm(draft, { recursive: true, force: true })
  // `wx` fails where the trainer has put a link or a FIFO at this path; mode 0600 keeps the trainer's user out.
  const copy = await open(draft, 'wx+', 0o600)
  try {
    // Without a name, no other file can take its place.
    await rm(draft)
    await writeFully(copy, wanted)
    for (const tensor of sorted) {
      for await (const bytes of copied(file.handle, parsed.dataOffset, tensor, wider.has(tensor.name)))
        await writeFully(copy, bytes)
    }
    await file.check()
    return await holdFile(copy, path, WHAT)
  } catch (error) {
    await copy.close()
    throw error instanceof RangeError ? shrunk(error) : error
  }
}

/** TrainerFailed in place of the RangeError of a read past the end of a file that became shorter. */
export function shrunk(cause: RangeError): FedsamError {
  return new FedsamError('TrainerFailed', `${WHAT} became shorter while it was read`, {
    cause,
    remedy: 'write the complete file before the answer, and do not change it afterwards',
  })
}

const isNarrow = ({ dtype }: TensorSpec): boolean => keptDType(dtype) !== dtype

/** Names of the tensors that the model has as F32, where the update may be narrower. */
async function widerIn(base: string): Promise<Set<string>> {
  const { parsed } = await withModel(base, readHeader)
  return new Set(parsed.tensors.filter(({ dtype }) => dtype === 'F32').map(({ name }) => name))
}

/** Opens the model as a foreign file: FedSAM wrote it, but the trainer can write to its folder. */
async function withModel<T>(base: string, use: (model: ForeignFile) => Promise<T>): Promise<T> {
  const model = await openForeign(base, Number.MAX_SAFE_INTEGER, 'the model')
  if (model === undefined)
    throw new FedsamError('TrainerFailed', `the trainer deleted the model ${base}`, {
      remedy: 'only read the file that the call names in tensors',
    })
  try {
    return await use(model)
  } finally {
    await model.close()
  }
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

async function readHeader({
  handle,
  size,
}: ForeignFile): Promise<{ header: Uint8Array; parsed: SafetensorsHeader }> {
  try {
    const first = new Uint8Array(FIRST_READ)
    const { bytesRead } = await handle.read(first, 0, first.length, 0)
    const length = 8 + headerLength(first.subarray(0, bytesRead))
    if (length <= bytesRead)
      return { header: first.subarray(0, length), parsed: parseHeader(first.subarray(0, length), size) }
    const header = await readFully(handle, 0, new Uint8Array(Math.min(length, size)))
    return { header, parsed: parseHeader(header, size) }
  } catch (cause) {
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    throw new FedsamError('TrainerFailed', `the trainer's parameters are not a safetensors file${why}`, {
      cause,
    })
  }
}
