// Safetensors, the one format in which tensors travel and rest: https://github.com/huggingface/safetensors (format).
// The bytes depend on the tensor list alone, so every program can compute where a tensor's bytes are without reading the file.
// A hostile file ends in SafetensorsError: time and memory grow with the header's length, and the header is bounded.

import { isObject } from './json-object.ts'
import { COLON, COMMA, scanJson } from './json-scan.ts'
import {
  DTYPE_BYTES,
  type DType,
  elementCount,
  type Tensor,
  type TensorSpec,
  tensorBytes,
} from './tensors.ts'
import { shortened } from './text.ts'

/** Bytes before the header: its length as an unsigned 64-bit little-endian number. */
const PREFIX = 8
/** Longest header that is read, in bytes. The reference allows 100 MB; a full SAM needs 60 kB. */
const MAX_HEADER = 8 * 1024 * 1024
/** Nesting of a well-formed header: the map, a tensor's entry, its arrays. */
const MAX_DEPTH = 3
/** Tensors of one file. The largest models in use have some thousand in each file. */
export const MAX_TENSORS = 32_768
/** Characters of a tensor's name. Parameter paths of the deepest modules have about 150. */
const MAX_NAME = 1024
/** Fields of one entry: a tensor has three, `__metadata__` has what its writer notes. */
const MAX_FIELDS = 1024
/** Elements of one array: sides of a shape. Frameworks stop at 64 dimensions. */
const MAX_SIDES = 64
/** Characters of a name that an error message shows. */
const SHOWN_NAME = 120

/** The bytes are no well-formed safetensors file. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError'
}

/** A tensor and where its bytes lie: [begin, end) counted from the start of the data. */
export type PlacedTensor = TensorSpec & { readonly begin: number; readonly end: number }

/** What a header says. `dataOffset` is where the data starts in the file; tensors are in the order of their bytes. */
export interface SafetensorsHeader {
  readonly tensors: readonly PlacedTensor[]
  readonly dataOffset: number
  readonly metadata: Readonly<Record<string, string>>
}

/** Where each tensor of a list is in the file that writeSafetensors creates. Offsets count from the data's start. */
export function layout(specs: readonly TensorSpec[]): { tensor: TensorSpec; begin: number; end: number }[] {
  let end = 0
  return specs.map((tensor) => {
    const begin = end
    end = begin + tensorBytes(tensor)
    return { tensor, begin, end }
  })
}

/** The exact first bytes, length and padded JSON, that writeSafetensors gives these tensors (in this order). */
export function canonicalHeader(
  specs: readonly TensorSpec[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = layout(specs).map(({ tensor: { name, dtype, shape }, begin, end }) => {
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`
  })
  // Composed by hand: a JavaScript object would reorder names such as "7".
  if (metadata !== undefined) entries.unshift(`"__metadata__":${JSON.stringify(metadata)}`)
  const json = new TextEncoder().encode(`{${entries.join(',')}}`)
  const padded = Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(PREFIX + padded).fill(0x20, PREFIX + json.length)
  bytes.set(json, PREFIX)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  return bytes
}

/** A file of these tensors, in this order, without holes. RangeError where data and shape disagree. */
export function writeSafetensors(
  tensors: readonly Tensor[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const header = canonicalHeader(tensors, metadata)
  const file = new Uint8Array(header.length + tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0))
  file.set(header)
  for (const { tensor, begin } of layout(tensors)) {
    const { data } = tensor as Tensor
    if (data.length !== tensorBytes(tensor))
      throw new RangeError(
        `Tensor ${tensor.name} has ${data.length} bytes where its shape needs ${tensorBytes(tensor)}.`,
      )
    file.set(data, header.length + begin)
  }
  return file
}

/** Bytes of the JSON header, from the file's first eight bytes; the data starts at 8 + this. */
export function headerLength(first8: Uint8Array): number {
  if (first8.length < PREFIX) throw new SafetensorsError(`The file has ${first8.length} bytes, fewer than 8.`)
  const length = new DataView(first8.buffer, first8.byteOffset, PREFIX).getBigUint64(0, true)
  if (length > BigInt(MAX_HEADER))
    throw new SafetensorsError(`The header claims ${length} bytes; at most ${MAX_HEADER} are read.`)
  return Number(length)
}

/**
 * Reads and checks a header. `bytes` start at the file's first byte and hold at least the header; `fileSize` is the whole
 * file's length where `bytes` are only its beginning. The tensors must tile the data exactly.
 */
export function parseHeader(bytes: Uint8Array, fileSize = bytes.length): SafetensorsHeader {
  const dataOffset = PREFIX + headerLength(bytes)
  if (dataOffset > bytes.length)
    throw new SafetensorsError(`The header claims ${dataOffset} bytes where ${bytes.length} are there.`)
  const entries = parseJson(bytes.subarray(PREFIX, dataOffset))
  const metadata = entries.get('__metadata__')
  entries.delete('__metadata__')
  const tensors = [...entries].map(([name, entry]) => placedTensor(name, entry))
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const tensor of tensors) {
    if (tensor.begin !== end)
      throw new SafetensorsError(`Tensor ${shown(tensor.name)} overlaps another or leaves a hole.`)
    end = tensor.end
  }
  if (dataOffset + end !== fileSize)
    throw new SafetensorsError(
      `The file has ${fileSize} bytes where its header describes ${dataOffset + end}.`,
    )
  return { tensors, dataOffset, metadata: stringMap(metadata ?? {}) }
}

/** All tensors of a file, in the order of their bytes. The data are views of `bytes`, aligned or not. */
export function readSafetensors(bytes: Uint8Array): Tensor[] {
  const { tensors, dataOffset } = parseHeader(bytes)
  return tensors.map(({ name, shape, dtype, begin, end }) => {
    return { name, shape, dtype, data: bytes.subarray(dataOffset + begin, dataOffset + end) }
  })
}

function parseJson(bytes: Uint8Array): Map<string, unknown> {
  const names = countNames(bytes)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new SafetensorsError('The header is not JSON.', { cause })
  }
  if (bytes[0] !== 0x7b || !isObject(value)) throw new SafetensorsError('The header is not a JSON object.')
  const entries = new Map(Object.entries(value))
  if (entries.size !== names) throw new SafetensorsError('The header names a tensor twice.')
  for (const name of entries.keys()) {
    if (name.length > MAX_NAME)
      throw new SafetensorsError(
        `A tensor's name has ${name.length} characters; at most ${MAX_NAME} are read.`,
      )
  }
  return entries
}

/** Most colons and commas directly inside one container, by its depth. Each field has both, but the last one. */
const MOST_INSIDE = [0, 2 * (MAX_TENSORS + 1), 2 * MAX_FIELDS, MAX_SIDES]

/** Names at the header's top level, doubles included (JSON.parse keeps only the last). Throws where a bound is exceeded. */
function countNames(bytes: Uint8Array): number {
  const inside = [0, 0, 0, 0]
  let names = 0
  scanJson(bytes, (token, depth) => {
    if (depth > MAX_DEPTH) throw new SafetensorsError('The header is nested too deep.')
    if (token === COLON || token === COMMA) inside[depth]! += 1
    else inside[depth] = 0
    if (token === COLON && depth === 1) names += 1
    if (inside[depth]! > MOST_INSIDE[depth]!)
      throw new SafetensorsError(
        `The header has more than ${MAX_TENSORS} tensors, ${MAX_FIELDS} fields or ${MAX_SIDES} sides.`,
      )
  })
  return names
}

function placedTensor(fullName: string, entry: unknown): PlacedTensor {
  const name = shown(fullName)
  const { dtype, shape, data_offsets: offsets } = isObject(entry) ? entry : {}
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype))
    throw new SafetensorsError(`Tensor ${name} has an unknown dtype: ${String(dtype).slice(0, 20)}.`)
  if (!isCounts(shape) || !Number.isSafeInteger(elementCount(shape)))
    throw new SafetensorsError(`Tensor ${name} has no usable shape.`)
  if (!isCounts(offsets) || offsets.length !== 2)
    throw new SafetensorsError(`Tensor ${name} has no usable data_offsets.`)
  const [begin, end] = offsets as [number, number]
  const spec = { name: fullName, shape, dtype: dtype as DType }
  if (end - begin !== tensorBytes(spec))
    throw new SafetensorsError(
      `Tensor ${name} has ${end - begin} bytes where its shape needs ${tensorBytes(spec)}.`,
    )
  return { ...spec, begin, end }
}

function shown(name: string): string {
  return shortened(name, SHOWN_NAME)
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((side) => Number.isSafeInteger(side) && side >= 0)
}

function stringMap(value: unknown): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string'))
    throw new SafetensorsError('The __metadata__ entry is not a map of strings.')
  return Object.assign(Object.create(null), value)
}
