// Payloads for tests: tensors from plain numbers, stored with their digests as a worker leaves them.

import { digestPayload } from '#protocol/digest.ts'
import type { PayloadRef } from '#protocol/record.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import type { DType, Tensor, TensorList, TensorRule } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'

const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Float16Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const

/** A vector of numbers in a dtype; BF16 by truncation, I64 by BigInt. */
export function vector(name: string, dtype: DType, values: ArrayLike<number>): Tensor {
  const typed =
    dtype === 'I64'
      ? BigInt64Array.from(Array.from(values), BigInt)
      : dtype === 'BF16'
        ? Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (word) => word >>> 16)
        : new ARRAYS[dtype](values)
  const data = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength)
  return { name, shape: [values.length], dtype, data }
}

/** The run's list of such tensors. `rules` by name; Optimise where none is given. */
export function listOf(
  tensors: readonly Tensor[],
  rules: Readonly<Record<string, TensorRule>> = {},
): TensorList {
  return tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype, rule: rules[name] ?? 'Optimise' }))
}

/** Stores the tensors, which must be sorted by name. */
export function storeTensors(
  store: ObjectStore,
  key: string,
  tensors: readonly Tensor[],
): Promise<PayloadRef> {
  return storeBytes(store, key, writeSafetensors(tensors))
}

export async function storeBytes(store: ObjectStore, key: string, bytes: Uint8Array): Promise<PayloadRef> {
  await store.put(key, bytes)
  const { size, sha256, blocks } = digestPayload(bytes)
  return { key, size, sha256, blocks: [...blocks] }
}

/** A stored tensor's F64 or F32 values. */
export async function storedValues(store: ObjectStore, key: string, name: string): Promise<number[]> {
  const tensors = readSafetensors((await store.get(key))!)
  const { data, dtype } = tensors.find((tensor) => tensor.name === name)!
  const { buffer } = new Uint8Array(data)
  return [...(dtype === 'F64' ? new Float64Array(buffer) : new Float32Array(buffer))]
}
