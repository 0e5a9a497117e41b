// Krum and Multi-Krum: they keep the updates whose nearest neighbours are closest, and give the others the weight 0.
// Blanchard et al. 2017, arXiv 1703.02757. Distances come from the deltas' Gram matrix in f64. Computed from
// whole weights in f32, as is common, they would be rounding noise.

import type { Measurements, UpdateSummary } from './strategy.ts'

/** The least number of updates with which Krum tolerates `malicious` malicious ones. */
export function fewestForKrum(malicious: number): number {
  return 2 * malicious + 3
}

/**
 * Weights that keep the `keep` updates with the lowest Krum scores. Each kept update weighs its num_examples: one kept update is
 * the result, and several are averaged as FedAvg does (Flower's Multi-Krum). Of equal scores, the first in fold order is kept.
 */
export function weighByKrum(
  updates: readonly UpdateSummary[],
  { gram }: Measurements,
  { malicious, keep }: { malicious: number; keep: number },
): Float64Array {
  const n = updates.length
  const scores = updates.map((_, i) => score(gram, n, i, Math.max(1, n - malicious - 2)))
  const ranked = updates.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]! || a - b)
  const kept = new Set(ranked.slice(0, keep))
  return Float64Array.from(updates, ({ numExamples }, i) => (kept.has(i) ? numExamples : 0))
}

/** Sum of the squared distances from update i to its `neighbours` nearest other updates. */
function score(gram: Float64Array, n: number, i: number, neighbours: number): number {
  const distances = new Float64Array(n)
  for (let j = 0; j < n; j++) {
    const squared = gram[i * n + i]! + gram[j * n + j]! - 2 * gram[i * n + j]!
    distances[j] = i === j ? Number.POSITIVE_INFINITY : Math.max(0, squared)
  }
  return distances
    .sort()
    .subarray(0, neighbours)
    .reduce((sum, distance) => sum + distance, 0)
}
