// Named tensors as the programs agree on them: what a parameter list looks like, and what may be done with each tensor.
// Bytes on the wire are safetensors (protocol/safetensors.ts); this file knows shapes and dtypes only.

/** Element types that travel. Names are those of safetensors. */
export const DTYPES = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL'] as const

export type DType = (typeof DTYPES)[number]

/** Bytes per element. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
}

/** What aggregation does with a tensor: Optimise goes through the server optimizer, the others do not. */
export type TensorRule = 'Optimise' | 'Average' | 'Largest' | 'Keep'

/** One tensor's name, shape (row-major; [] is a scalar) and element type. */
export interface TensorSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: DType
}

/** A tensor list that a run is fixed to: sorted by name. */
export type TensorList = readonly (TensorSpec & { readonly rule: TensorRule })[]

/** A tensor with its bytes, little-endian, row-major. */
export interface Tensor extends TensorSpec {
  readonly data: Uint8Array
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1)
}

/** Bytes of one tensor. */
export function tensorBytes(spec: TensorSpec): number {
  return elementCount(spec.shape) * DTYPE_BYTES[spec.dtype]
}
