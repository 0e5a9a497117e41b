// The fixed blocks in which sums over elements are computed: first within blocks of each tensor, then over the blocks. So the size
// of slices does not change a bit of a sum. Pure.
import { elementCount } from '#protocol/tensors.ts'
import type { Piece } from './slices.ts'

/** Elements of one block of a sum. */
export const REDUCTION_BLOCK = 65_536

/** Calls `visit` for the part of each block in the piece: its elements [from, to), and whether the block ends there. */
export function eachBlock(
  { tensor, first, elements }: Piece,
  visit: (from: number, to: number, ends: boolean) => void,
): void {
  const last = elementCount(tensor.shape)
  for (let from = 0; from < elements; ) {
    const blockEnd = Math.min((Math.floor((first + from) / REDUCTION_BLOCK) + 1) * REDUCTION_BLOCK, last)
    const to = Math.min(elements, blockEnd - first)
    visit(from, to, first + to === blockEnd)
    from = to
  }
}
