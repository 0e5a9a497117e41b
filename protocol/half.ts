// Half-precision floats on the wire: F16 (IEEE 754 binary16) and BF16 (the upper half of a binary32), to and from F32.
// Promises: widening is exact; narrowing rounds to nearest, ties to even, overflows to infinity, keeps NaN a NaN.
// Also the one place where a tensor's bytes become a Float32Array; they may be unaligned.
import { DTYPE_BYTES, type DType, elementCount, type Tensor, type TensorSpec } from './tensors.ts'

/** Float dtypes that can be read as, and written from, 32-bit floats. */
export type FloatDType = 'F32' | 'F16' | 'BF16'

/** F16 bit patterns to F32 values. */
export function widenF16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(new Float16Array(bits.buffer, bits.byteOffset, bits.length))
}

/** F32 values to F16 bit patterns. */
export function narrowF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(Float16Array.from(values).buffer)
}

/** BF16 bit patterns to F32 values. */
export function widenBF16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const wide = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16
  return new Float32Array(wide.buffer)
}

/** F32 values to BF16 bit patterns. */
export function narrowBF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const wide = new Uint32Array(Float32Array.from(values).buffer)
  const bits = new Uint16Array(wide.length)
  for (let i = 0; i < wide.length; i++) {
    const word = wide[i]!
    const nan = (word & 0x7fffffff) > 0x7f800000
    // Rounding could carry a NaN's payload into infinity: it is truncated and made quiet instead.
    bits[i] = nan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return bits
}

/** True for the dtypes that toFloat32 reads. */
export function isFloat32Readable(dtype: DType): dtype is FloatDType {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16'
}

/** A tensor's values as 32-bit floats, in a buffer of their own. RangeError for other dtypes than F32, F16, BF16. */
export function toFloat32(tensor: Tensor): Float32Array<ArrayBuffer> {
  // A copy: safetensors of other writers need not be aligned, and typed arrays must be. (A Buffer's slice is no copy.)
  const bytes = new Uint8Array(tensor.data)
  const count = elementCount(tensor.shape)
  switch (tensor.dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer, 0, count)
    case 'F16':
      return widenF16(new Uint16Array(bytes.buffer, 0, count))
    case 'BF16':
      return widenBF16(new Uint16Array(bytes.buffer, 0, count))
    default:
      throw new RangeError(`Tensor ${tensor.name} has dtype ${tensor.dtype}, not a float of at most 32 bits.`)
  }
}

/**
 * The dtype in which a run keeps a tensor. A 16-bit float has too few digits: each round would round the training away, so it
 * is kept as F32. Every other dtype stays.
 */
export function keptDType(dtype: DType): DType {
  return dtype === 'F16' || dtype === 'BF16' ? 'F32' : dtype
}

/** The tensors in the dtypes in which a run keeps them; `narrow` is the dtype of a tensor that a run widens. */
export function keptTensors<T extends TensorSpec>(
  tensors: readonly T[],
): (T & { readonly narrow?: DType })[] {
  return tensors.map((tensor) => {
    const dtype = keptDType(tensor.dtype)
    return dtype === tensor.dtype ? tensor : { ...tensor, dtype, narrow: tensor.dtype }
  })
}

/** Bytes of whole elements as the run keeps them: F16 and BF16 as F32, exactly; the same bytes for every other dtype. */
export function keptBytes(dtype: DType, data: Uint8Array): Uint8Array {
  if (keptDType(dtype) === dtype) return data
  return fromFloat32(toFloat32({ name: '', shape: [data.length / DTYPE_BYTES[dtype]], dtype, data }), 'F32')
}

/** Bytes of whole F32 elements in the given dtype, each rounded once. */
export function roundedBytes(dtype: FloatDType, data: Uint8Array): Uint8Array {
  return fromFloat32(
    toFloat32({ name: '', shape: [data.length / DTYPE_BYTES.F32], dtype: 'F32', data }),
    dtype,
  )
}

/** Little-endian bytes of 32-bit floats in the given dtype. F32 is a view of the same memory, not a copy. */
export function fromFloat32(values: Float32Array, dtype: FloatDType): Uint8Array {
  const typed = { F32: (x: Float32Array) => x, F16: narrowF16, BF16: narrowBF16 }[dtype](values)
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength)
}
