// Weighted sums of deltas: the loop that takes most of a round's arithmetic. It stays fast where a run uses one kind of typed
// array.

import type { NumberArray, UpdateSummary } from './strategy.ts'

/**
 * sum += weight × (update - base), in f64, element by element. Each product is exact for integer weights below 2^29 and f32
 * updates of a size similar to their base.
 */
export function addDelta(sum: Float64Array, update: NumberArray, base: NumberArray, weight: number): void {
  const length = sum.length
  for (let i = 0; i < length; i++) sum[i] = sum[i]! + weight * (update[i]! - base[i]!)
}

/** Divides in place. Call it once, at the end, so that the sums stay exact as long as possible. */
export function divide(sum: Float64Array, divisor: number): void {
  const { length } = sum
  for (let i = 0; i < length; i++) sum[i] = sum[i]! / divisor
}

/** Each update weighs its num_examples. McMahan et al. 2017, arXiv 1602.05629. */
export function weighByExamples(updates: readonly UpdateSummary[]): Float64Array {
  return Float64Array.from(updates, ({ numExamples }) => numExamples)
}

/** Each update weighs the same: a client may claim any num_examples, so a robust rule must not use it. */
export function weighEqually(updates: readonly UpdateSummary[]): Float64Array {
  return new Float64Array(updates.length).fill(1)
}
