// Krum and Multi-Krum: updates whose nearest neighbours are near are kept, the others get weight 0.
// Blanchard et al. 2017, arXiv 1703.02757. Distances come from the deltas' Gram matrix in f64: on whole weights in f32,
// as the identity is often used, they would be rounding noise.

import type { Measurements, UpdateSummary } from './strategy.ts'

/** Fewest updates with which Krum withstands `malicious` of them. */
export function fewestForKrum(malicious: number): number {
  return 2 * malicious + 3
}

/**
 * Weights that keep the `keep` updates of the lowest Krum score: by num_examples, so that one kept update is returned as
 * it is and several are averaged as FedAvg does (Flower's Multi-Krum). Equal scores: the first by fold order.
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

/** Sum of the squared distances from update i to its `neighbours` nearest others. */
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
