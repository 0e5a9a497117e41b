// The type of a strategy: a value of pure functions. The fold (coordinator/aggregation/) streams slices of the parameters through
// it. A strategy never sees a store, a clock or a whole update. registry.ts has the table of strategies. Arithmetic is f64, with
// only + - × ÷ √, so that the same updates give the same bytes on every machine.

/** Any typed array of numbers: the values of a tensor in their own dtype. */
export type NumberArray =
  | Float64Array
  | Float32Array
  | Float16Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array

/** What a strategy may know of an update before any parameter is read. */
export interface UpdateSummary {
  readonly client: string
  readonly numExamples: number
  readonly metrics: Readonly<Record<string, number>>
}

/** Measurements of the updates' deltas over all Optimise tensors, from the first pass. Only what `measure` names is filled. */
export interface Measurements {
  /** Inner products of the deltas: row-major, updates × updates, in the order of the updates. Empty for 'None'. */
  readonly gram: Float64Array
}

/**
 * How the updates' deltas become one delta. WeightedMean is summed update by update, so it needs memory for one update. Columns
 * sees the same range of elements of all updates at once: `combine` fills `out` from `columns` (same lengths, fold order, no
 * update of weight 0).
 */
export type Combine =
  | { readonly kind: 'WeightedMean' }
  | { readonly kind: 'Columns'; combine(columns: readonly Float64Array[], out: Float64Array): void }

/** A range of elements that a server optimizer steps on. All arrays have the same length. */
export interface OptimizerSlice {
  /** In: the base's values. Out: the new values. Store each once: storing rounds it to its dtype. */
  readonly values: NumberArray
  /** The combined delta. Do not change it. */
  readonly delta: Float64Array
  /** In: the state vectors before this round, in the optimizer's order. Out: after it. */
  readonly vectors: readonly Float64Array[]
  /** The scalars of this round, as nextScalars gave them. */
  readonly scalars: Readonly<Record<string, number>>
}

/** Computes the new model from the combined delta. Its state is an input and an output of every round. */
export interface ServerOptimizer {
  /** Names of its state vectors, each as long as the parameters. All start at 0. */
  readonly vectors: readonly string[]
  /** Scalars before the first round. */
  readonly scalars: Readonly<Record<string, number>>
  /** The scalars of the next round from those of the last. Called once per round. */
  nextScalars(scalars: Readonly<Record<string, number>>): Readonly<Record<string, number>>
  /** Steps element by element, in place. Writes only `values` and `vectors`. */
  step(slice: OptimizerSlice): void
}

/** Everything that the fold needs of a strategy. */
export interface Strategy {
  /** Its type in the job's spec.strategy. */
  readonly name: string
  /** The least number of accepted updates that it can combine. */
  readonly minimum: number
  /** What a first pass over all updates measures. 'None': there is no such pass. */
  readonly measure: 'None' | 'Gram'
  /** The weight of each update, in order. 0 excludes an update. At least one weight is not 0. */
  weigh(updates: readonly UpdateSummary[], measured: Measurements): Float64Array
  readonly combine: Combine
  readonly serverOptimizer: ServerOptimizer
}
