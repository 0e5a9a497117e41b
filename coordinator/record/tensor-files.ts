// Reads safetensors files by ranges, in the store or on this machine: it locates their tensors, and copies some of them to one
// canonical file with the dtypes of the run, where 16-bit floats become F32. Only verifiedFile checks digests of the bytes that
// it reads.
import { createReadStream } from 'node:fs'
import { blockHasher } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { type FloatDType, keptBytes, roundedBytes } from '#protocol/half.ts'
import type { PayloadRef } from '#protocol/record.ts'
import { canonicalHeader, headerLength, parseHeader } from '#protocol/safetensors.ts'
import { type DType, type TensorSpec, tensorBytes } from '#protocol/tensors.ts'
import type { ByteRange, ObjectStore, StoreReader } from '#transport/ports.ts'
import { type PayloadSource, readPayload } from '../aggregation/payload-reader.ts'

/** Reads ranges of one safetensors file. */
export interface TensorFile {
  readonly size: number
  read(range: ByteRange): Promise<Uint8Array>
}

/** A tensor, and the file and range of its bytes. */
export interface Located extends TensorSpec {
  readonly file: TensorFile
  readonly range: ByteRange
  /** The dtype of those bytes, where the run keeps the tensor in a wider one. */
  readonly narrow?: DType
  /** The dtype of the copy, where the bytes are F32 and a copy in 16 bits is wanted. */
  readonly rounded?: FloatDType | undefined
}

/** Bytes that one read asks for while tensors are copied. */
const COPY_BYTES = 8 * 1024 * 1024

/** A file in the store. `size`: as its marker states it. */
export function storedFile(store: StoreReader, key: string, size: number): TensorFile {
  const damaged = (what: string) => new FedsamError('RecordDamaged', `${store.description}: ${what}`)
  return {
    size,
    async read(range) {
      const bytes = await store.get(key, range).catch((error: unknown) => {
        if (!(error instanceof RangeError)) throw error
        throw damaged(`${key} is shorter than its marker says`)
      })
      if (bytes === undefined) throw damaged(`${key} is missing`)
      return bytes
    },
  }
}

/** A payload. Each block that is read is checked against its digest. */
export function verifiedFile(store: StoreReader, source: PayloadSource): TensorFile {
  return {
    size: source.payload.size,
    read: ({ offset, length }) => readPayload(store, source, [offset, offset + length]),
  }
}

/** A file on this machine. */
export function localFile(path: string, size: number): TensorFile {
  return {
    size,
    async read({ offset, length }) {
      const pieces: Uint8Array[] = []
      if (length > 0) {
        for await (const piece of createReadStream(path, { start: offset, end: offset + length - 1 }))
          pieces.push(piece)
      }
      return Buffer.concat(pieces)
    },
  }
}

/** All tensors of some files, sorted by name. */
export async function locate(files: readonly TensorFile[]): Promise<Located[]> {
  const found = await Promise.all(files.map(readEntries))
  return found.flat().sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function readEntries(file: TensorFile): Promise<Located[]> {
  const length = headerLength(await file.read({ offset: 0, length: 8 }))
  const header = parseHeader(await file.read({ offset: 0, length: 8 + length }), file.size)
  return header.tensors.map(({ name, shape, dtype, begin, end }) => ({
    name,
    shape,
    dtype,
    file,
    range: { offset: header.dataOffset + begin, length: end - begin },
  }))
}

/** A safetensors file that is made while it is read. */
export interface TensorStream {
  readonly size: number
  chunks(): AsyncGenerator<Uint8Array>
}

/** The tensors as one file, in their order. A `narrow` tensor is widened on the way, a `rounded` one rounded. */
export function streamTensors(
  tensors: readonly Located[],
  metadata?: Readonly<Record<string, string>>,
): TensorStream {
  const header = canonicalHeader(tensors, metadata)
  return {
    size: header.length + tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0),
    async *chunks() {
      yield header
      for (const tensor of tensors) {
        const { file, range } = tensor
        for (let at = 0; at < range.length; at += COPY_BYTES) {
          const length = Math.min(COPY_BYTES, range.length - at)
          yield converted(tensor, await file.read({ offset: range.offset + at, length }))
        }
      }
    },
  }
}

/** Whole elements in the dtype that the tensor has in the copy. */
function converted({ narrow, rounded }: Located, bytes: Uint8Array): Uint8Array {
  if (rounded !== undefined) return roundedBytes(rounded, bytes)
  return narrow === undefined ? bytes : keptBytes(narrow, bytes)
}

/** Writes the tensors as one canonical safetensors file, streaming. */
export function copyTensors(
  store: ObjectStore,
  key: string,
  tensors: readonly Located[],
): Promise<PayloadRef> {
  return writeStream(store, key, streamTensors(tensors))
}

/**
 * Writes the file, absent-only. Its bytes are a function of its sources: where it exists already, its digests are made by reading
 * it.
 */
export async function writeStream(
  store: ObjectStore,
  key: string,
  { size, chunks }: TensorStream,
): Promise<PayloadRef> {
  const hasher = blockHasher()
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks()) {
      hasher.update(chunk)
      yield chunk
    }
  }
  // The bytes depend on the source alone. If the file exists already, compute its digests by reading it.
  if ((await store.write(key, size, hashed())) === 'Created') return { key, ...hasher.finish() }
  const stored = blockHasher()
  for (let offset = 0; offset < size; offset += COPY_BYTES) {
    stored.update((await store.get(key, { offset, length: Math.min(COPY_BYTES, size - offset) }))!)
  }
  return { key, ...stored.finish() }
}
