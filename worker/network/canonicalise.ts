// Brings a trainer's safetensors file into the one form that is uploaded: tensors sorted by name, no metadata, so that every
// update of a run has the same layout and the coordinator can read any slice of it by range. A float of 16 bits where the run
// keeps 32 is widened, exactly: a trainer may compute in half precision. The trainer's file is opened once; whatever gets its name
// later is never read.
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

/** Bytes of a file that are read to begin with: most headers are shorter. */
const FIRST_READ = 16 * 1024
/** Bytes of a tensor that are copied at a time: whole elements of every dtype. */
const COPY_BYTES = 1024 * 1024

/** Longest update of a run that has no model yet, in bytes: more than any model that a worker's disk is meant for. */
const LONGEST_FIRST = 256 * 2 ** 30
/** Bytes that an update may have beside those of twice the model: its header, which is another one than the model's. */
const HEADER_ROOM = 16 * 2 ** 20
const WHAT = "the trainer's output"

/**
 * Opens the update that a trainer wrote to `path`, in its canonical form: the file itself where it has that form, else a copy without a
 * name. `base` is the model's file, in the run's dtypes; null before round 0 has one. The caller closes it. Throws TrainerFailed for
 * what is no regular file, not safetensors, or more than twice as large as the model.
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
  return 2 * (await withModel(base, async ({ size }) => size)) + HEADER_ROOM
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
  // Exclusively, and for this user alone: a link or a FIFO that got the name meanwhile is no place for the copy.
  const copy = await open(draft, 'wx+', 0o600)
  try {
    // Nobody needs its name, so nobody can put another file in its place.
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

/** The system's word for a file that became shorter, as one for people. */
export function shrunk(cause: RangeError): FedsamError {
  return new FedsamError('TrainerFailed', `${WHAT} became shorter while it was read`, {
    cause,
    remedy: 'write the file whole before the answer, and leave it as it is',
  })
}

const isNarrow = ({ dtype }: TensorSpec): boolean => keptDType(dtype) !== dtype

/** Names of the tensors that the model has as F32. */
async function widerIn(base: string): Promise<Set<string>> {
  const { parsed } = await withModel(base, readHeader)
  return new Set(parsed.tensors.filter(({ dtype }) => dtype === 'F32').map(({ name }) => name))
}

/** The model is ours, in a folder that the trainer may write to. */
async function withModel<T>(base: string, use: (model: ForeignFile) => Promise<T>): Promise<T> {
  const model = await openForeign(base, Number.MAX_SAFE_INTEGER, 'the model')
  if (model === undefined) throw new FedsamError('TrainerFailed', `the model ${base} was deleted`)
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
