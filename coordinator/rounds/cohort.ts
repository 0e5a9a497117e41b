// Chooses the clients of an attempt: Flower's counting rules, applied to a seeded ranking. Pure.
import { rankClients } from '#protocol/seeds.ts'

/** The number of clients to ask: Flower's max(floor(available × fraction), minimum), and at most all available clients. */
export function cohortSize(available: number, fraction: number, minimum: number): number {
  return Math.min(available, Math.max(Math.floor(available * fraction), minimum))
}

/** What the choice depends on. The order of the clients does not matter. */
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
 * The cohort is the first k trainers of the seeded ranking. The evaluators are the first of all available clients in the same
 * ranking, so that the cohort evaluates the base that it loads anyway. Both lists are sorted by name.
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
