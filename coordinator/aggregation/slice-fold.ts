// Folds one slice of the parameters: bytes of the updates in, bytes of the new model out, no store. By the rule of the tensor:
// Optimise: the strategy combines the deltas, and its server optimizer steps. Average: the combined delta is added to the base.
// Largest: the largest value of each element. Keep: the base's bytes. Each element is computed alone, so cuts do not change the
// result.

import { FedsamError } from '#protocol/errors.ts'
import { DTYPE_BYTES } from '#protocol/tensors.ts'
import { addDelta, divide } from '../strategies/mean.ts'
import { sgd } from '../strategies/optimizers.ts'
import type { NumberArray, ServerOptimizer, Strategy } from '../strategies/strategy.ts'
import { exactNumbersOf, firstNotFinite, numbersOf, placeOf, writeNumbers } from './numbers.ts'
import type { Piece, Slice } from './slices.ts'

/** Elements that one step works on: few enough for the processor's cache. */
export const TILE = 16_384

/** What all slices of a round have in common. */
export interface SliceContext {
  readonly strategy: Pick<Strategy, 'combine' | 'serverOptimizer'>
  /** The optimizer's scalars of this round. */
  readonly scalars: Readonly<Record<string, number>>
  /** The weights above 0, in fold order. */
  readonly weights: Float64Array
  /** What each of these updates' deltas is multiplied by before it is combined: 1, or less where its norm is clipped. */
  readonly factors: Float64Array
  /** Arrays for the largest slice, used again for each slice: one where updates are summed, else one per update. */
  readonly columns: readonly Float64Array[]
  /** Space for TILE elements. */
  readonly tile: Float64Array
}

export interface SliceFold {
  /** The next update's bytes of the slice, in fold order. */
  add(update: Uint8Array): void
  /** After the last update: completes the model, and returns the new state's bytes. */
  finish(): Uint8Array
}

/** A slice's bytes. */
export interface SliceBytes {
  /** Of the base model. */
  readonly base: Uint8Array
  /** The memory of the new model's bytes; may be the memory of the base. */
  readonly model: Uint8Array
  /** Of the old state. Absent: the state starts at 0. */
  readonly state?: Uint8Array | undefined
}

/** The fold of one piece. `update` and `model` are its bytes in an update and in the new model. */
interface Part {
  add(update: Uint8Array, position: number): void
  finish(model: Uint8Array): void
}

/** Opens the fold of one slice. */
export function openSlice(
  context: SliceContext,
  slice: Slice,
  { base, model, state }: SliceBytes,
): SliceFold {
  const vectors = context.strategy.serverOptimizer.vectors.length
  const newState = new Float64Array(elementsOf(slice, 'Optimise') * vectors)
  if (state !== undefined) new Uint8Array(newState.buffer).set(state)
  if (model !== base) model.set(base)
  let columnAt = 0
  let stateAt = 0
  const parts = slice.pieces.map((piece) => {
    const within = [piece.begin - slice.begin, piece.end - slice.begin] as const
    const region = { columnAt, state: newState.subarray(stateAt, stateAt) }
    if (isCombined(piece)) columnAt += piece.elements
    if (piece.tensor.rule === 'Optimise') {
      region.state = newState.subarray(stateAt, stateAt + piece.elements * vectors)
      stateAt += piece.elements * vectors
    }
    return { within, part: openPart(context, piece, base.subarray(...within), region) }
  })
  let added = 0
  return {
    add(update) {
      for (const { within, part } of parts) part.add(update.subarray(...within), added)
      added += 1
    },
    finish() {
      for (const { within, part } of parts) part.finish(model.subarray(...within))
      return new Uint8Array(newState.buffer)
    },
  }
}

/** Elements that `combine` sees. */
export function combinedElements(slice: Slice): number {
  return elementsOf(slice, 'Optimise') + elementsOf(slice, 'Average')
}

/** Whether the fold of the slice reads the updates. */
export function needsUpdates(slice: Slice): boolean {
  return slice.pieces.some(({ tensor }) => tensor.rule !== 'Keep')
}

function elementsOf({ pieces }: Slice, rule: Piece['tensor']['rule']): number {
  return pieces.reduce((sum, piece) => sum + (piece.tensor.rule === rule ? piece.elements : 0), 0)
}

function isCombined({ tensor: { rule } }: Piece): boolean {
  return rule === 'Optimise' || rule === 'Average'
}

interface Region {
  readonly columnAt: number
  state: Float64Array
}

function openPart(context: SliceContext, piece: Piece, base: Uint8Array, region: Region): Part {
  if (isCombined(piece)) return combinedPart(context, piece, base, region)
  return piece.tensor.rule === 'Largest' ? largestPart(piece) : { add() {}, finish() {} }
}

function combinedPart(context: SliceContext, piece: Piece, baseBytes: Uint8Array, region: Region): Part {
  const { dtype, rule } = piece.tensor
  const { combine, serverOptimizer } = context.strategy
  const base = numbersOf(dtype, baseBytes)
  const columns = context.columns.map((column) =>
    column.subarray(region.columnAt, region.columnAt + piece.elements).fill(0),
  )
  const optimizer = rule === 'Optimise' ? serverOptimizer : sgd(1)
  const total = context.weights.reduce((sum, weight) => sum + weight, 0)
  const combined = (from: number, to: number): Float64Array => {
    const tiles = columns.map((column) => column.subarray(from, to))
    if (combine.kind === 'Columns') {
      const delta = new Float64Array(to - from)
      combine.combine(tiles, delta)
      return delta
    }
    divide(tiles[0]!, total)
    return tiles[0]!
  }
  return {
    add(update, position) {
      const numbers = numbersOf(dtype, update)
      const factor = context.factors[position]!
      if (combine.kind === 'Columns') addDelta(columns[position]!, numbers, base, factor)
      else addDelta(columns[0]!, numbers, base, context.weights[position]! * factor)
    },
    finish(model) {
      const place = placeOf(dtype, model)
      const width = DTYPE_BYTES[dtype]
      for (let from = 0; from < piece.elements; from += TILE) {
        const to = Math.min(from + TILE, piece.elements)
        // The model's bytes are still the base's. Compute in place where the dtype has a typed array.
        const values = place?.subarray(from, to) ?? context.tile.subarray(0, to - from)
        if (place === undefined) values.set(base.subarray(from, to))
        step(
          optimizer,
          { values, delta: combined(from, to), scalars: context.scalars },
          region.state.subarray(from * optimizer.vectors.length),
        )
        const bytes = model.subarray(from * width, to * width)
        const misfit =
          place === undefined
            ? writeNumbers(dtype, values as Float64Array, bytes)
            : firstNotFinite(dtype, bytes)
        if (misfit >= 0) throw misfitOf(piece, from + misfit, values[misfit]!)
      }
    },
  }
}

/** One step on a tile. `state` begins with the tile's state, interleaved element by element. The new state replaces it. */
function step(
  optimizer: ServerOptimizer,
  tile: { values: NumberArray; delta: Float64Array; scalars: SliceContext['scalars'] },
  state: Float64Array,
): void {
  const { length } = tile.values
  const stride = optimizer.vectors.length
  const vectors = optimizer.vectors.map((_, v) => {
    const vector = new Float64Array(length)
    for (let i = 0; i < length; i++) vector[i] = state[i * stride + v]!
    return vector
  })
  optimizer.step({ ...tile, vectors })
  for (const [v, vector] of vectors.entries()) {
    for (let i = 0; i < length; i++) state[i * stride + v] = vector[i]!
  }
}

/** `at`: the element's index in the piece. */
function misfitOf({ tensor: { name, dtype }, first }: Piece, at: number, value: number): FedsamError {
  const message = `the aggregated value of ${name}[${first + at}] is ${value}, which ${dtype} cannot hold`
  return new FedsamError('RunFailed', message, {
    reason: 'ParametersOverflow',
    remedy: 'lower the server learning rate or the local learning rate, or use a wider dtype',
  })
}

/** The largest of the updates' values. It does not convert to f64, so integers stay exact. */
function largestPart({ tensor: { dtype } }: Piece): Part {
  let best: ReturnType<typeof exactNumbersOf>
  return {
    add(update, position) {
      const numbers = exactNumbersOf(dtype, update)
      if (position === 0) best = numbers.slice()
      else for (let i = 0; i < best.length; i++) if (numbers[i]! > best[i]!) best[i] = numbers[i]!
    },
    finish(model) {
      if (best instanceof BigInt64Array)
        model.set(new Uint8Array(best.buffer, best.byteOffset, best.byteLength))
      else writeNumbers(dtype, new Float64Array(best), model)
    },
  }
}
