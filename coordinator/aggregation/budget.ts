// Computes the largest slice that fits into the fold's memory. Pure. It counts buffers that are in use at once. V8 may hold up to
// 120 MB of unused buffers before it collects them (docs/benchmarks.md); these are not counted.

import { BLOCK_BYTES } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { DTYPE_BYTES, type TensorList } from '#protocol/tensors.ts'

/** Reads that run ahead while one slice is folded. */
export const READS_AHEAD = 3
/** Bytes of the largest slice. Larger ones save no time (docs/benchmarks.md), and leave more garbage. */
export const LARGEST_SLICE = BLOCK_BYTES
/** Bytes of the smallest slice. Smaller ones would read each digest block more than 64 times. */
const SMALLEST_SLICE = BLOCK_BYTES / 64

export interface FoldDemand {
  readonly list: TensorList
  /** Columns of f64 that a slice needs: 1 for a sum, one per update where the strategy sees all updates at once. */
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
  // Base, the present update, and the updates read ahead; one slice that is being computed, and one that is being stored.
  const asBytes = (2 + READS_AHEAD) * read + 2 * slice
  // Each state vector three times: the old one, the new one, and the one that is being stored.
  return asBytes + f64 * (columns + 3 * vectors)
}

/**
 * Bytes per slice: whole digest blocks where possible.
 * Throws FedsamError InvalidJob where the smallest slice does not fit into `memoryBytes`.
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
