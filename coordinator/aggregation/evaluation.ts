// Means over clients: of their evaluations of one model, and of the training metrics of their updates. Pure.

import type { Evaluation } from '#protocol/record.ts'

/** `counts`: how many of a client's examples count. By default all of them. */
type Counts = (numExamples: number) => number

/**
 * Loss and metrics as means weighted by examples, as Flower's weighted_loss_avg. A metric counts only where all evaluations
 * report it. numExamples is the sum of those that count. null where no client evaluated an example.
 */
export function meanEvaluation(
  evaluations: readonly Evaluation[],
  counts: Counts = (numExamples) => numExamples,
): Evaluation | null {
  const counted = evaluations
    .map((evaluation) => ({ ...evaluation, numExamples: counts(evaluation.numExamples) }))
    .filter(({ numExamples }) => numExamples > 0)
  const first = counted[0]
  if (first === undefined) return null
  const numExamples = counted.reduce((sum, evaluation) => sum + evaluation.numExamples, 0)
  const mean = (pick: (evaluation: Evaluation) => number): number =>
    counted.reduce((sum, evaluation) => sum + evaluation.numExamples * pick(evaluation), 0) / numExamples
  const shared = Object.keys(first.metrics)
    .filter((name) => counted.every(({ metrics }) => Object.hasOwn(metrics, name)))
    .sort()
  return {
    loss: mean(({ loss }) => loss),
    numExamples,
    metrics: Object.fromEntries(shared.map((name) => [name, mean(({ metrics }) => metrics[name]!)])),
  }
}

/** The training metrics that every update reports: their means, weighted by examples. */
export function meanMetrics(
  updates: readonly {
    readonly numExamples: number
    readonly metrics: Readonly<Record<string, number>>
  }[],
): Record<string, number> {
  const total = updates.reduce((sum, { numExamples }) => sum + numExamples, 0)
  const shared = Object.keys(updates[0]?.metrics ?? {})
    .filter((name) => updates.every(({ metrics }) => Object.hasOwn(metrics, name)))
    .sort()
  const mean = (name: string): number =>
    updates.reduce((sum, { metrics, numExamples }) => sum + metrics[name]! * numExamples, 0) / total
  return Object.fromEntries(shared.map((name) => [name, mean(name)]))
}
