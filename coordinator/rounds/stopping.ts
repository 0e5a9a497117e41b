// Finds the best round and decides an early stop, from the evaluations of the rounds so far. Pure.
import type { BestRound, ClosedDecision, Evaluation } from '#protocol/record.ts'

/** `evaluation` of the spec: a metric to rank rounds by, and when to stop. */
export interface StoppingRule {
  readonly bestBy: Ranking | null
  readonly stopWhen: (Ranking & Limits) | null
}

interface Ranking {
  readonly metric: string
  readonly mode: 'Max' | 'Min'
}

interface Limits {
  readonly patience: number | null
  readonly target: number | null
}

/** The rule of a job's spec.evaluation; a job without one ranks nothing, and never stops early. */
export function stoppingRule(
  evaluation:
    | {
        readonly bestBy?: StoppingRule['bestBy']
        readonly stopWhen?: (Ranking & Partial<Limits>) | null
      }
    | null
    | undefined,
): StoppingRule {
  const { bestBy = null, stopWhen } = evaluation ?? {}
  return {
    bestBy,
    stopWhen: stopWhen ? { patience: null, target: null, ...stopWhen } : null,
  }
}

/** One evaluated model: the round that it comes from, and its evaluation. */
export interface Evaluated {
  readonly round: number
  readonly evaluation: Evaluation
}

/** The value of a metric, by its name in spec.evaluation; undefined where the evaluation lacks it. */
export function metricOf(evaluation: Evaluation, metric: string): number | undefined {
  if (metric === 'loss') return evaluation.loss
  return Object.hasOwn(evaluation.metrics, metric) ? evaluation.metrics[metric] : undefined
}

/** The best evaluated round by the declared metric, and the earliest of equals. null without a rule or a value. */
export function bestRound(rule: StoppingRule, history: readonly Evaluated[]): BestRound | null {
  if (rule.bestBy === null) return null
  const { metric, mode } = rule.bestBy
  let best: BestRound | null = null
  for (const { round, evaluation } of history) {
    const value = metricOf(evaluation, metric)
    if (value === undefined) continue
    if (best === null || (mode === 'Max' ? value > best.value : value < best.value))
      best = { round, metric, value }
  }
  return best
}

/** Whether training ends after this round, and why. */
export function decideStop(
  rule: StoppingRule,
  history: readonly Evaluated[],
  position: { round: number; rounds: number },
): ClosedDecision['stop'] {
  const early = rule.stopWhen === null ? null : stopEarly(rule.stopWhen, history)
  if (early !== null) return early
  if (position.round < position.rounds) return null
  return { reason: 'LastRound', message: `round ${position.round} of ${position.rounds}` }
}

function stopEarly(
  when: NonNullable<StoppingRule['stopWhen']>,
  history: readonly Evaluated[],
): ClosedDecision['stop'] {
  const { metric, patience, target } = when
  const lower = when.mode === 'Min'
  const values = history.flatMap(({ round, evaluation }) => {
    const value = metricOf(evaluation, metric)
    return value === undefined ? [] : [{ round, value }]
  })
  const last = values.at(-1)
  if (last === undefined) return null
  if (target !== null && (lower ? last.value <= target : last.value >= target)) {
    return {
      reason: 'TargetReached',
      message: `${metric} ${last.value} of round ${last.round} reached ${target}`,
    }
  }
  const best = values.reduce((a, b) => ((lower ? b.value < a.value : b.value > a.value) ? b : a))
  if (patience === null || last.round - best.round < patience) return null
  return {
    reason: 'NoImprovement',
    message: `${metric} is best at round ${best.round}, ${patience} rounds ago`,
  }
}
