// The mean of the clients' evaluations of one model. Pure.

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
