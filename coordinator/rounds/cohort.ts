// Who takes part: Flower's counting rules on the seeded ranking. Pure.
import { rankClients } from '#protocol/seeds.ts'

/** How many clients are asked: Flower's max(floor(available × fraction), minimum), never more than there are. */
export function cohortSize(available: number, fraction: number, minimum: number): number {
  return Math.min(available, Math.max(Math.floor(available * fraction), minimum))
}

/** What a choice depends on. `available` need not be sorted. */
export interface CohortInput {
  readonly seed: number
  readonly round: number
  readonly attempt: number
  /** Available partitions that train, and those that only evaluate. */
  readonly trainers: readonly string[]
  readonly onlookers: readonly string[]
  readonly fractionFit: number
  readonly minFitClients: number
  readonly fractionEvaluate: number
}

/**
 * The cohort is the first k of the trainers in the seeded ranking; the evaluators are the first of everyone who is
 * available, in the same ranking (the cohort evaluates the base where it is loaded anyway). Both sorted by name.
 */
export function chooseCohort(input: CohortInput): { cohort: string[]; evaluators: string[] } {
  const { seed, round, attempt, trainers, onlookers } = input
  const size = cohortSize(trainers.length, input.fractionFit, input.minFitClients)
  const cohort = rankClients(seed, round, attempt, trainers).slice(0, size)
  const everyone = [...trainers, ...onlookers]
  const evaluating = Math.floor(everyone.length * input.fractionEvaluate)
  const evaluators = rankClients(seed, round, attempt, everyone).slice(0, evaluating)
  return { cohort: cohort.sort(), evaluators: evaluators.sort() }
}
