// What a strategy is: a value of pure functions. The fold (coordinator/aggregation/) streams slices of the parameters
// through it; a strategy never sees a store, a clock or an update as a whole. Presets are a table (presets.ts).
// Arithmetic is f64 and only + - × ÷ √, so that the same updates give the same bytes on every machine.

/** Any typed array of numbers: the values of a tensor in their own dtype. */
export type NumberArray =
  | Float64Array
  | Float32Array
  | Float16Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array

/** An update as a strategy may know it before any parameter is read. */
export interface UpdateSummary {
  readonly client: string
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
}

/** What the first pass measured of the updates' deltas over all Optimise tensors; only what `measure` asked for. */
export interface Measurements {
  /** Inner products of the deltas: row-major, updates × updates, in the order of the updates. Empty for 'None'. */
  readonly gram: Float64Array
}

/**
 * How the updates' deltas become one delta.
 * WeightedMean is summed update by update, so it needs memory for one of them. Columns sees the same range of elements
 * of every update at once: `combine` fills `out` from `columns` (same lengths, fold order, no update of weight 0).
 */
export type Combine =
  | { readonly kind: 'WeightedMean' }
  | { readonly kind: 'Columns'; combine(columns: readonly Float64Array[], out: Float64Array): void }

/** A range of elements on its way through a server optimizer. All arrays have the same length. */
export interface OptimizerSlice {
  /** In: the base's values. Out: the new values, each stored once: that is where it is rounded to its dtype. */
  readonly values: NumberArray
  /** The combined delta, not to be changed. */
  readonly delta: Float64Array
  /** In: the state vectors before this round, in the optimizer's order. Out: after it. */
  readonly vectors: readonly Float64Array[]
  /** The scalars of this round, as nextScalars gave them. */
  readonly scalars: Readonly<Record<string, number>>
}

/** From the combined delta to the new model. Its state goes in and comes out of every round. */
export interface ServerOptimizer {
  /** Names of its state vectors, each as long as the parameters. All start at 0. */
  readonly vectors: readonly string[]
  /** Scalars before the first round. */
  readonly scalars: Readonly<Record<string, number>>
  /** The scalars of the next round from those of the last; called once a round. */
  nextScalars(scalars: Readonly<Record<string, number>>): Readonly<Record<string, number>>
  /** Element by element, in place: writes `values` and `vectors`, nothing else. */
  step(slice: OptimizerSlice): void
}

/** Everything that the fold asks of a strategy. */
export interface Strategy {
  /** Its type in the job's spec.strategy. */
  readonly name: string
  /** Fewest accepted updates it can combine. */
  readonly minimum: number
  /** What a first pass over all updates must measure; 'None' saves that pass. */
  readonly measure: 'None' | 'Gram'
  /** Weight per update, in order; 0 leaves it out. Never all zero. */
  weigh(updates: readonly UpdateSummary[], measured: Measurements): Float64Array
  readonly combine: Combine
  readonly serverOptimizer: ServerOptimizer
}
