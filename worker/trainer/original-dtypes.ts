// Trained parameters are F32; they go back in the dtype in which they came, rounded once.
import { fromFloat32, isFloat32Readable, toFloat32 } from '#protocol/half.ts'
import type { Tensor } from '#protocol/tensors.ts'

/** The F32 tensors in the dtypes of `like`, matched by name. */
export function withDTypes(tensors: readonly Tensor[], like: readonly Tensor[]): Tensor[] {
  const dtypes = new Map(like.map(({ name, dtype }) => [name, dtype]))
  return tensors.map((tensor) => {
    const dtype = dtypes.get(tensor.name) ?? 'F32'
    if (dtype === 'F32') return tensor
    if (!isFloat32Readable(dtype)) throw new TypeError(`${tensor.name} cannot be trained as ${dtype}`)
    return { ...tensor, dtype, data: fromFloat32(toFloat32(tensor), dtype) }
  })
}
