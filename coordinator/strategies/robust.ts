// Coordinate-wise robust rules: for each element they sort the updates' deltas and use some of them. They are
// unweighted, because a client may claim any num_examples. Yin et al. 2018, arXiv 1803.01498.

import { FedsamError } from '#protocol/errors.ts'
import type { Combine } from './strategy.ts'

/** The median of each coordinate. For an even number of updates: the mean of the middle two. */
export function median(): Combine {
  return perCoordinate((sorted) => {
    const middle = sorted.length >> 1
    return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  })
}

/**
 * The unweighted mean of each coordinate, without its `cutCount(n)` smallest and `cutCount(n)` largest values. Throws InvalidJob
 * for a beta of 0.5 or more.
 */
export function trimmedMean(beta: number): Combine {
  if (beta >= 0.5) {
    throw new FedsamError('InvalidJob', `spec.strategy.fedTrimmedAvg.beta is ${beta}, not below 0.5`, {
      remedy:
        'lower it: half of the updates or more would be cut from each tail, and no update would be left',
    })
  }
  return perCoordinate((sorted) => {
    const cut = cutCount(beta, sorted.length)
    let sum = 0
    for (let i = cut; i < sorted.length - cut; i++) sum += sorted[i]!
    return sum / (sorted.length - 2 * cut)
  })
}

/** How many of n values are cut from each tail: as Flower, int(beta × n). */
export function cutCount(beta: number, n: number): number {
  return Math.floor(beta * n)
}

/**
 * The least number of updates with which at least one is cut from each tail. With fewer, a trimmed mean would be the plain mean.
 */
export function fewestToTrim(beta: number): number {
  if (beta === 0) return 1
  // 1 / beta is rounded, so check the product.
  let n = Math.ceil(1 / beta)
  while (cutCount(beta, n) < 1) n += 1
  while (cutCount(beta, n - 1) >= 1) n -= 1
  return n
}

function perCoordinate(pick: (sorted: Float64Array) => number): Combine {
  return {
    kind: 'Columns',
    combine(columns, out) {
      const sorted = new Float64Array(columns.length)
      for (let i = 0; i < out.length; i++) {
        for (let k = 0; k < sorted.length; k++) sorted[k] = columns[k]![i]!
        sortAscending(sorted)
        out[i] = pick(sorted)
      }
    },
  }
}

/** Insertion sort where it is faster than the engine's sort. Values are finite, since admission checked them. */
function sortAscending(values: Float64Array): void {
  if (values.length > 40) {
    values.sort()
    return
  }
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!
    let at = i
    for (; at > 0 && values[at - 1]! > value; at--) values[at] = values[at - 1]!
    values[at] = value
  }
}
