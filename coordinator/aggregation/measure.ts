// The first pass of a strategy that must know its updates before it weighs them: inner products of all pairs of deltas.
// Sums run within fixed blocks of elements of each tensor, then over the blocks, so that slices do not change a bit.

import { elementCount } from '#protocol/tensors.ts'
import { addDelta } from '../strategies/mean.ts'
import { numbersOf } from './numbers.ts'
import type { Piece, Slice } from './slices.ts'

/** Elements per block of a reduction. */
export const REDUCTION_BLOCK = 65_536

export interface GramMeasure {
  /** The slice's bytes of the base and of all updates, in fold order; slices come in order. */
  add(slice: Slice, base: Uint8Array, updates: readonly Uint8Array[]): void
  /** Row-major, updates × updates, over all Optimise tensors. */
  finish(): Float64Array
}

export function measureGram(updates: number): GramMeasure {
  const total = new Float64Array(updates * updates)
  const block = new Float64Array(updates * updates)
  const closeBlock = (): void => {
    for (let i = 0; i < total.length; i++) total[i] = total[i]! + block[i]!
    block.fill(0)
  }
  return {
    add(slice, base, bytes) {
      for (const piece of slice.pieces) {
        if (piece.tensor.rule !== 'Optimise') continue
        const within = [piece.begin - slice.begin, piece.end - slice.begin] as const
        const columns = deltasOf(
          piece,
          base.subarray(...within),
          bytes.map((update) => update.subarray(...within)),
        )
        const last = elementCount(piece.tensor.shape)
        for (let from = 0; from < piece.elements; ) {
          const index = piece.first + from
          const blockEnd = Math.min((Math.floor(index / REDUCTION_BLOCK) + 1) * REDUCTION_BLOCK, last)
          const to = Math.min(piece.elements, blockEnd - piece.first)
          addProducts(
            block,
            columns.map((column) => column.subarray(from, to)),
          )
          if (piece.first + to === blockEnd) closeBlock()
          from = to
        }
      }
    },
    finish() {
      for (let i = 0; i < updates; i++)
        for (let j = 0; j < i; j++) total[i * updates + j] = total[j * updates + i]!
      return total
    },
  }
}

function deltasOf(
  { tensor: { dtype }, elements }: Piece,
  base: Uint8Array,
  updates: readonly Uint8Array[],
): Float64Array[] {
  const from = numbersOf(dtype, base)
  return updates.map((update) => {
    const column = new Float64Array(elements)
    addDelta(column, numbersOf(dtype, update), from, 1)
    return column
  })
}

/** Upper triangle: sums[i][j] goes on from what it was, one element after the other, whatever the cut. */
function addProducts(sums: Float64Array, columns: readonly Float64Array[]): void {
  const n = columns.length
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) sums[i * n + j] = dot(sums[i * n + j]!, columns[i]!, columns[j]!)
  }
}

function dot(start: number, a: Float64Array, b: Float64Array): number {
  let sum = start
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
