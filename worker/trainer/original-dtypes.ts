// Converts trained F32 parameters back to the dtypes in which the trainer received them, with one rounding.
import { fromFloat32, isFloat32Readable, toFloat32 } from '#protocol/half.ts'
import type { Tensor } from '#protocol/tensors.ts'

/** The F32 tensors in the dtypes of `like`, matched by name. */
export function withDTypes(tensors: readonly Tensor[], like: readonly Tensor[]): Tensor[] {
  const dtypes = new Map(like.map(({ name, dtype }) => [name, dtype]))
  return tensors.map((tensor) => {
    const dtype = dtypes.get(tensor.name) ?? 'F32'
    if (dtype === 'F32') return tensor
    if (!isFloat32Readable(dtype))
      throw new TypeError(`tensor ${tensor.name} has the dtype ${dtype}, which cannot be trained`)
    return { ...tensor, dtype, data: fromFloat32(toFloat32(tensor), dtype) }
  })
}
