// Weighted sums of deltas, the loop that a round spends its arithmetic in. One typed-array kind per run keeps it fast.

import type { NumberArray, UpdateSummary } from './strategy.ts'

/** sum += weight × (update - base), in f64, element by element. For integer weights below 2^29 and f32 updates of similar
 * size to their base, each product is exact. */
export function addDelta(sum: Float64Array, update: NumberArray, base: NumberArray, weight: number): void {
  const length = sum.length
  for (let i = 0; i < length; i++) sum[i] = sum[i]! + weight * (update[i]! - base[i]!)
}

/** Divides in place: once, at the end, so that the sums stay exact for as long as they can. */
export function divide(sum: Float64Array, divisor: number): void {
  const { length } = sum
  for (let i = 0; i < length; i++) sum[i] = sum[i]! / divisor
}

/** Each update counts by its num_examples. McMahan et al. 2017, arXiv 1602.05629. */
export function weighByExamples(updates: readonly UpdateSummary[]): Float64Array {
  return Float64Array.from(updates, ({ numExamples }) => numExamples)
}

/** Each update counts the same: num_examples is the client's own claim, which a robust rule must not believe. */
export function weighEqually(updates: readonly UpdateSummary[]): Float64Array {
  return new Float64Array(updates.length).fill(1)
}
