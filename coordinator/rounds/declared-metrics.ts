// Finds the metrics that the job ranks or stops by and that an evaluation lacks. A metric counts only if every client reports it.
// Pure. The caller decides what follows.
import type { Evaluation } from '#protocol/record.ts'
import { type Evaluated, metricOf, type StoppingRule } from './stopping.ts'

/** A declared metric that an evaluation of a model does not have. */
export interface MissingMetric {
  readonly metric: string
  /** The fields of spec.evaluation that name it. */
  readonly fields: readonly ('bestBy' | 'stopWhen')[]
  /** Clients that evaluated the model and did not report the metric; all evaluators where no client evaluated. */
  readonly without: readonly string[]
  /** Metrics that at least one client reported. */
  readonly reported: readonly string[]
  /** Clients evaluated, none reported the metric, and no earlier evaluation has it: so no later one will. */
  readonly isHopeless: boolean
}

export interface DeclaredInput {
  readonly rule: StoppingRule
  /** Evaluators of the attempt. */
  readonly asked: readonly string[]
  readonly evaluations: readonly ({ readonly client: string } & Evaluation)[]
  /** Evaluations of earlier models. */
  readonly history: readonly Evaluated[]
}

/** The declared metrics that do not count for this model, in the order of the fields. */
export function missingMetrics({ rule, asked, evaluations, history }: DeclaredInput): MissingMetric[] {
  const declared = (['bestBy', 'stopWhen'] as const).flatMap((field) => {
    const metric = rule[field]?.metric
    return metric === undefined ? [] : [{ field, metric }]
  })
  const counted = evaluations.filter(({ numExamples }) => numExamples > 0)
  const names = counted.flatMap(({ metrics }) => Object.keys(metrics))
  const reported = counted.length === 0 ? [] : [...new Set(['loss', ...names])].sort()
  return [...Map.groupBy(declared, ({ metric }) => metric)].flatMap(([metric, uses]) => {
    const without = counted.filter((evaluation) => metricOf(evaluation, metric) === undefined)
    if (counted.length > 0 && without.length === 0) return []
    const wasThere = history.some(({ evaluation }) => metricOf(evaluation, metric) !== undefined)
    return [
      {
        metric,
        fields: uses.map(({ field }) => field),
        without: counted.length === 0 ? asked : without.map(({ client }) => client),
        reported,
        isHopeless: counted.length > 0 && without.length === counted.length && !wasThere,
      },
    ]
  })
}
