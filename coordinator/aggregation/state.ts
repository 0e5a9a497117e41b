// The server optimizer's state as a payload: its scalars, then the vectors of each Optimise tensor. The vectors are interleaved
// element by element (shape [...tensor, vectors]), so that a slice of the parameters needs one range of the file. All values are
// F64.

import type { TensorList } from '#protocol/tensors.ts'
import type { ServerOptimizer } from '../strategies/strategy.ts'
import { type PayloadLayout, payloadLayout, type Slice } from './slices.ts'

/** The layout of a state payload. */
export interface StateLayout extends PayloadLayout {
  /** Names of the scalars, in the order of their bytes. */
  readonly scalars: readonly string[]
  /** Bytes [begin, end) of the file for a slice of the parameters. Consecutive slices have adjoining ranges. */
  rangeOf(slice: Slice): readonly [number, number]
}

/** null: the optimizer has no state. */
export function stateLayout(list: TensorList, optimizer: ServerOptimizer): StateLayout | null {
  const count = optimizer.vectors.length
  const scalars = Object.keys(optimizer.scalars).sort()
  const optimised = count === 0 ? [] : list.filter(({ rule }) => rule === 'Optimise')
  if (scalars.length + optimised.length === 0) return null
  const placed = payloadLayout([
    ...scalars.map((name) => ({ name: `scalars/${name}`, shape: [], dtype: 'F64', rule: 'Keep' }) as const),
    ...optimised.map(({ name, shape }) => {
      return { name: `vectors/${name}`, shape: [...shape, count], dtype: 'F64', rule: 'Keep' } as const
    }),
  ])
  const begins = new Map(optimised.map(({ name }, i) => [name, placed.tensors[scalars.length + i]!.begin]))
  return {
    ...placed,
    scalars,
    rangeOf({ pieces }) {
      const own = count === 0 ? [] : pieces.filter(({ tensor }) => tensor.rule === 'Optimise')
      const first = own[0]
      if (first === undefined) return [0, 0]
      const begin = begins.get(first.tensor.name)! + first.first * count * 8
      return [begin, begin + own.reduce((sum, { elements }) => sum + elements, 0) * count * 8]
    },
  }
}

/** Header and scalars: the bytes of a state payload before the first vector. */
export function stateOpening(layout: StateLayout, scalars: Readonly<Record<string, number>>): Uint8Array {
  const opening = new Uint8Array(layout.header.length + layout.scalars.length * 8)
  opening.set(layout.header)
  const view = new DataView(opening.buffer)
  for (const [i, name] of layout.scalars.entries())
    view.setFloat64(layout.header.length + i * 8, scalars[name]!, true)
  return opening
}

/** The scalars from such bytes; undefined where they have the header of another layout. */
export function readStateOpening(
  layout: StateLayout,
  opening: Uint8Array,
): Record<string, number> | undefined {
  if (Buffer.compare(layout.header, opening.subarray(0, layout.header.length)) !== 0) return undefined
  const view = new DataView(opening.buffer, opening.byteOffset)
  return Object.fromEntries(
    layout.scalars.map((name, i) => [name, view.getFloat64(layout.header.length + i * 8, true)]),
  )
}
