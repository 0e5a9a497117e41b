// Converts tensor bytes to numbers and back. Reading is exact, except for I64 beyond 2^53. Writing rounds an f64 once, to nearest
// even, directly to the dtype. A value that its dtype cannot hold is reported, and never wrapped or clipped.

import { DTYPE_BYTES, type DType } from '#protocol/tensors.ts'
import type { NumberArray } from '../strategies/strategy.ts'

/** The elements of one dtype as numbers: a view where the alignment allows it, else a copy. */
export function numbersOf(dtype: DType, bytes: Uint8Array): NumberArray {
  if (dtype === 'I64') return Float64Array.from(exactNumbersOf('I64', bytes) as BigInt64Array, Number)
  return exactNumbersOf(dtype, bytes) as NumberArray
}

/** As numbersOf, but I64 stays exact. Use the result only for comparisons. */
export function exactNumbersOf(dtype: DType, bytes: Uint8Array): NumberArray | BigInt64Array {
  const { buffer, byteOffset, length } = aligned(bytes, DTYPE_BYTES[dtype])
  const count = length / DTYPE_BYTES[dtype]
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer, byteOffset, count)
    case 'F32':
      return new Float32Array(buffer, byteOffset, count)
    case 'F16':
      return new Float16Array(buffer, byteOffset, count)
    case 'BF16':
      return widened(new Uint16Array(buffer, byteOffset, count))
    case 'I64':
      return new BigInt64Array(buffer, byteOffset, count)
    case 'I32':
      return new Int32Array(buffer, byteOffset, count)
    case 'I16':
      return new Int16Array(buffer, byteOffset, count)
    case 'I8':
      return new Int8Array(buffer, byteOffset, count)
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer, byteOffset, count)
  }
}

function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes)
}

function widened(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16
  return new Float32Array(wide.buffer)
}

/** Least and greatest value of an integer dtype; for I64, the greatest that an f64 holds exactly below the limit. */
const INTEGERS: Partial<Record<DType, readonly [number, number]>> = {
  I64: [-(2 ** 63), 2 ** 63 - 1024],
  I32: [-(2 ** 31), 2 ** 31 - 1],
  I16: [-(2 ** 15), 2 ** 15 - 1],
  I8: [-128, 127],
  U8: [0, 255],
  BOOL: [0, 1],
}

/**
 * A typed array over the bytes that rounds each stored value once; undefined where JavaScript has none, or the alignment forbids
 * it.
 */
export function placeOf(dtype: DType, bytes: Uint8Array): NumberArray | undefined {
  const isNative = dtype === 'F64' || dtype === 'F32' || dtype === 'F16'
  if (!isNative || bytes.byteOffset % DTYPE_BYTES[dtype] !== 0) return undefined
  return numbersOf(dtype, bytes)
}

/**
 * Writes the values, each rounded once to the dtype (integers: to the nearest, halves up). Returns the index of the first value
 * that is not finite or exceeds the dtype's range, and writes nothing then; -1 where all values fit.
 */
export function writeNumbers(dtype: DType, values: Float64Array, into: Uint8Array): number {
  const rounded = round(dtype, values)
  const misfit = firstMisfit(dtype, rounded)
  if (misfit >= 0) return misfit
  const stored =
    dtype === 'I64'
      ? BigInt64Array.from(rounded as Float64Array, BigInt)
      : dtype === 'BF16'
        ? Uint16Array.from(new Uint32Array(rounded.buffer), (word) => word >>> 16)
        : toNative(dtype, rounded)
  into.set(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength))
  return -1
}

/** Rounds to values that the dtype holds exactly, unless they exceed its range. BF16 becomes the f32 of the same value. */
function round(dtype: DType, values: Float64Array): NumberArray {
  switch (dtype) {
    case 'F64':
      return values.slice()
    case 'F32':
      return new Float32Array(values)
    case 'F16':
      return new Float16Array(values)
    case 'BF16':
      return roundToBF16(values)
    default:
      return values.map(Math.round)
  }
}

function toNative(dtype: DType, rounded: NumberArray): NumberArray {
  if (dtype === 'I32') return new Int32Array(rounded)
  if (dtype === 'I16') return new Int16Array(rounded)
  if (dtype === 'I8') return new Int8Array(rounded)
  if (dtype === 'U8' || dtype === 'BOOL') return new Uint8Array(rounded)
  return rounded
}

function firstMisfit(dtype: DType, rounded: NumberArray): number {
  const [least, most] = INTEGERS[dtype] ?? [-Number.MAX_VALUE, Number.MAX_VALUE]
  for (let i = 0; i < rounded.length; i++) if (!(rounded[i]! >= least && rounded[i]! <= most)) return i
  return -1
}

/**
 * f64 → BF16 in one rounding. First it rounds to f32 "to odd": towards zero, with the last bit set where bits were lost. That bit
 * keeps the fact that the second step needs. Then it rounds to the upper 16 bits, to nearest even. The lower bits of the result
 * are 0.
 */
function roundToBF16(values: Float64Array): Float32Array {
  const floats = new Float32Array(values)
  const words = new Uint32Array(floats.buffer)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    const float = floats[i]!
    if (!Number.isFinite(value)) continue
    let word = words[i]!
    if (float !== value) word = (Math.abs(float) > Math.abs(value) ? word - 1 : word) | 1
    words[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000
  }
  return floats
}

/** Bits of a float dtype that are all set only in infinities and NaNs, and which of an element's words holds them. */
const EXPONENTS: Partial<
  Record<DType, { mask: number; words: 'Uint32' | 'Uint16'; step: number; first: number }>
> = {
  F64: { mask: 0x7ff00000, words: 'Uint32', step: 2, first: 1 },
  F32: { mask: 0x7f800000, words: 'Uint32', step: 1, first: 0 },
  F16: { mask: 0x7c00, words: 'Uint16', step: 1, first: 0 },
  BF16: { mask: 0x7f80, words: 'Uint16', step: 1, first: 0 },
}

/** Index of the first NaN or infinity; -1 where all elements are finite, and for dtypes that have neither. */
export function firstNotFinite(dtype: DType, bytes: Uint8Array): number {
  const exponent = EXPONENTS[dtype]
  if (exponent === undefined) return -1
  const { mask, words, step, first } = exponent
  if (words === 'Uint16') {
    const { buffer, byteOffset, length } = aligned(bytes, 2)
    return firstMasked16(new Uint16Array(buffer, byteOffset, length / 2), mask)
  }
  const { buffer, byteOffset, length } = aligned(bytes, 4)
  return firstMasked32(new Int32Array(buffer, byteOffset, length / 4), mask, { step, first })
}

function firstMasked16(words: Uint16Array, mask: number): number {
  for (let i = 0; i < words.length; i++) if ((words[i]! & mask) === mask) return i
  return -1
}

/** Words that one test covers. A test of every word would take most of the time. */
const STRIDE = 4096

function firstMasked32(
  words: Int32Array,
  mask: number,
  { step, first }: { step: number; first: number },
): number {
  const lowest = mask & -mask
  for (let from = first; from < words.length; from += STRIDE) {
    const to = Math.min(from + STRIDE, words.length)
    // If all bits of the exponent are set, and only then, adding its lowest bit carries into the sign.
    let carry = 0
    for (let i = from; i < to; i += step) carry |= (words[i]! & mask) + lowest
    if (carry >= 0) continue
    for (let i = from; i < to; i += step) if ((words[i]! & mask) === mask) return (i - first) / step
  }
  return -1
}
