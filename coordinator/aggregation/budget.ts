// How large a slice may be within the memory that the fold was given. Pure.
// It counts what is alive at once. V8 lets up to 120 MB of used buffers lie before it collects them (docs/benchmarks.md),
// whatever the slices: that much of the process is not in the count.

import { BLOCK_BYTES } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { DTYPE_BYTES, type TensorList } from '#protocol/tensors.ts'

/** Reads that are under way while one is folded. */
export const READS_AHEAD = 3
/** Larger slices save no time (docs/benchmarks.md), and their garbage is larger. */
export const LARGEST_SLICE = BLOCK_BYTES
/** Smaller ones would read each digest block too many times. */
const SMALLEST_SLICE = BLOCK_BYTES / 64

export interface FoldDemand {
  readonly list: TensorList
  /** Columns of f64 that a slice needs: 1 for sums, the number of updates where all are seen at once. */
  readonly columns: number
  /** State vectors of the server optimizer. */
  readonly vectors: number
}

/** Bytes that folding in slices of `slice` bytes takes at its peak. */
export function memoryOf({ list, columns, vectors }: FoldDemand, slice: number): number {
  const narrowest = Math.min(
    8,
    ...list.filter(({ rule }) => rule !== 'Keep').map(({ dtype }) => DTYPE_BYTES[dtype]),
  )
  const f64 = (slice / narrowest) * 8
  const read = Math.max(slice, BLOCK_BYTES)
  // Base, the update at hand and those ahead; a slice that is being made and one that is being stored.
  const asBytes = (2 + READS_AHEAD) * read + 2 * slice
  // State comes in, goes out and is being stored.
  return asBytes + f64 * (columns + 3 * vectors)
}

/**
 * Bytes per slice: whole digest blocks where possible.
 * Throws FedsamError InvalidJob where even the smallest slice does not fit into `memoryBytes`.
 */
export function sliceBytes(demand: FoldDemand, memoryBytes: number): number {
  const fits = (slice: number): boolean => memoryOf(demand, slice) <= memoryBytes
  for (let slice = LARGEST_SLICE; slice >= SMALLEST_SLICE; slice /= 2) if (fits(slice)) return slice
  const least = Math.ceil(memoryOf(demand, SMALLEST_SLICE))
  throw new FedsamError(
    'InvalidJob',
    `coordinator.memoryBytes is ${memoryBytes}; this aggregation needs ${least}`,
    {
      remedy: `set coordinator.memoryBytes to at least ${least}, or choose a strategy that sums update by update`,
    },
  )
}
