// Names the clients of a round whose figures are far from those of the others: the norm of the update, or the loss that the client
// measured for the round's base. It is a warning for people, and excludes no client. Pure.
import type { Outlier } from '#protocol/outliers.ts'
import type { ClosedDecision } from '#protocol/record.ts'
import { lowerMedian } from './clipping.ts'

/** How many times the median a figure must exceed. Honest clients with other data or more local steps stay well below. */
const FAR = 10
/** The least number of clients. Of two, nothing shows which one is usual. */
const FEWEST = 3

/** The outliers of a decision: first by norm, then by loss, each in the order of the clients' names. */
export function outliersOf({
  updates,
  evaluations,
}: Pick<ClosedDecision, 'updates' | 'evaluations'>): Outlier[] {
  const norms = updates.flatMap(({ client, norm }) => (norm === null ? [] : [{ client, value: norm }]))
  const losses = evaluations
    .filter(({ numExamples }) => numExamples > 0)
    .map(({ client, loss }) => ({ client, value: loss }))
  return [...farFrom('Norm', norms), ...farFrom('Loss', losses)]
}

function farFrom(
  measure: Outlier['measure'],
  figures: readonly { readonly client: string; readonly value: number }[],
): Outlier[] {
  if (figures.length < FEWEST) return []
  const median = lowerMedian(figures.map(({ value }) => value))
  // A multiple of 0 or of a negative loss says nothing.
  if (median === null || median <= 0) return []
  return figures
    .filter(({ value }) => value > FAR * median)
    .map(({ client, value }) => ({ client, measure, value, median }))
}
