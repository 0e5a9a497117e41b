// The element types in which round 0 got the parameters of a run. A run keeps 16-bit floats as F32 (half.ts), so its models do not
// show them. Guarantees that the same record gives the same types; names of tensors do not matter. Pure.
import type { RoundResult } from './record.ts'
import type { DType, TensorSpec } from './tensors.ts'

/** The tensors that round 0 got as 16-bit floats, by name. */
export function narrowTensors({ origin }: Pick<RoundResult, 'origin'>): ReadonlyMap<string, 'F16' | 'BF16'> {
  // A map: a tensor may have the name of a property that every object has.
  return new Map(Object.entries(origin?.narrow ?? {}))
}

/** One element type for each tensor, as round 0 got it, in the order of the names' bytes in UTF-8; null where the model shows them. */
export function initialDTypes(result: Pick<RoundResult, 'origin' | 'tensors'>): readonly DType[] | null {
  const narrow = narrowTensors(result)
  if (narrow.size === 0) return null
  return dtypesInOrder(result.tensors.map(({ name, dtype }) => ({ name, dtype: narrow.get(name) ?? dtype })))
}

/** The element types in the order of the names' bytes in UTF-8: one that every programming language has. */
export function dtypesInOrder(tensors: readonly Pick<TensorSpec, 'name' | 'dtype'>[]): readonly DType[] {
  return tensors
    .map(({ name, dtype }) => ({ bytes: Buffer.from(name), dtype }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ dtype }) => dtype)
}
