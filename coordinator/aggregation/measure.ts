// The first pass of a strategy that must compare its updates before it weighs them: inner products of all pairs of deltas. It
// sums within fixed blocks of elements of each tensor, then over the blocks, so that the size of slices does not change a bit of
// the result.

import { addDelta } from '../strategies/mean.ts'
import { numbersOf } from './numbers.ts'
import { eachBlock } from './reduction.ts'
import type { Piece, Slice } from './slices.ts'

export interface GramMeasure {
  /** The next slice, with its bytes of the base; then each update's bytes and its clip factor, in fold order; then `close`. */
  open(slice: Slice, base: Uint8Array): { add(update: Uint8Array, factor: number): void; close(): void }
  /** Row-major, updates × updates, over all Optimise tensors. */
  result(): Float64Array
}

/** `columns`: one array per update, long enough for the largest slice. */
export function measureGram(columns: readonly Float64Array[]): GramMeasure {
  const n = columns.length
  const total = new Float64Array(n * n)
  const block = new Float64Array(n * n)
  const addPiece = (piece: Piece, at: number): void => {
    eachBlock(piece, (from, to, ends) => {
      const tiles = columns.map((column) => column.subarray(at + from, at + to))
      addProducts(block, tiles)
      if (!ends) return
      for (let i = 0; i < total.length; i++) total[i] = total[i]! + block[i]!
      block.fill(0)
    })
  }
  return {
    open(slice, base) {
      const parts = partsOf(slice, base)
      let added = 0
      return {
        add(update, factor) {
          for (const { piece, within, from, at } of parts) {
            const column = columns[added]!.subarray(at, at + piece.elements).fill(0)
            addDelta(column, numbersOf(piece.tensor.dtype, update.subarray(...within)), from, factor)
          }
          added += 1
        },
        close() {
          for (const { piece, at } of parts) addPiece(piece, at)
        },
      }
    },
    result() {
      for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) total[i * n + j] = total[j * n + i]!
      return total
    },
  }
}

/** The Optimise pieces of a slice: their bytes in it, the base's numbers, and the index in a column where their deltas begin. */
function partsOf({ begin, pieces }: Slice, base: Uint8Array) {
  let at = 0
  return pieces
    .filter(({ tensor }) => tensor.rule === 'Optimise')
    .map((piece) => {
      const within = [piece.begin - begin, piece.end - begin] as const
      const part = { piece, within, from: numbersOf(piece.tensor.dtype, base.subarray(...within)), at }
      at += piece.elements
      return part
    })
}

/** Adds to the upper triangle. Each sum continues element by element, so that cuts do not change the order of additions. */
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
