// The L2 norm of an update: of its difference to the base model, over all elements that the strategy combines (rules Optimise and
// Average). Integers and flags do not count. It sums squares in f64 and in fixed blocks, so the norm has the same bits for any
// size of slices.
import type { PayloadRef } from '#protocol/record.ts'
import type { TensorList } from '#protocol/tensors.ts'
import type { StoreReader } from '#transport/ports.ts'
import type { NumberArray } from '../strategies/strategy.ts'
import { numbersOf } from './numbers.ts'
import { readPayload } from './payload-reader.ts'
import { eachBlock } from './reduction.ts'
import { payloadLayout, type Slice, slicesOf } from './slices.ts'

export interface NormMeasure {
  /** The next slice, with its bytes of the update and of the base. */
  add(slice: Slice, update: Uint8Array, base: Uint8Array): void
  /** The norm; Infinity where an f64 cannot hold the sum of the squares. */
  result(): number
}

/** Measures one update, slice by slice. */
export function measureNorm(): NormMeasure {
  let total = 0
  let block = 0
  return {
    add({ begin, pieces }, update, base) {
      for (const piece of pieces) {
        const { rule, dtype } = piece.tensor
        if (rule !== 'Optimise' && rule !== 'Average') continue
        const within = [piece.begin - begin, piece.end - begin] as const
        const values = numbersOf(dtype, update.subarray(...within))
        const from = numbersOf(dtype, base.subarray(...within))
        eachBlock(piece, (first, last, ends) => {
          block = addSquares(block, { values, from, first, last })
          if (!ends) return
          total += block
          block = 0
        })
      }
    },
    result: () => Math.sqrt(total),
  }
}

interface Elements {
  readonly values: NumberArray
  readonly from: NumberArray
  readonly first: number
  readonly last: number
}

function addSquares(start: number, { values, from, first, last }: Elements): number {
  let sum = start
  for (let i = first; i < last; i++) {
    const difference = values[i]! - from[i]!
    sum += difference * difference
  }
  return sum
}

/** Bytes that one read of a stored update asks for: whole digest blocks. */
const READ_BYTES = 8 * 1024 * 1024

/** The norm of a stored update. Throws RecordDamaged for bytes without their digest. */
export async function normOf(
  store: StoreReader,
  list: TensorList,
  { update, base }: { readonly update: PayloadRef; readonly base: PayloadRef },
): Promise<number> {
  const norm = measureNorm()
  for (const slice of slicesOf(payloadLayout(list), READ_BYTES)) {
    const range = [slice.begin, slice.end] as const
    norm.add(
      slice,
      await readPayload(store, { payload: update }, range),
      await readPayload(store, { payload: base }, range),
    )
  }
  return norm.result()
}
