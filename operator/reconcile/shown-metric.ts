// The metric of the newest model that a job's summary, and so kubectl's column METRIC, shows. Pure.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'

/** Characters of a metric's name in the summary: the column of a terminal is narrow. */
const LONGEST_NAME = 40

/**
 * Such as "dice 0.912". The metric is that of evaluation.bestBy, else that of evaluation.stopWhen, else the first by name that
 * clients report. The loss does not count: it has its own column. Undefined while no client has reported the metric.
 */
export function shownMetric(
  evaluation: CompleteFederatedJobSpec['evaluation'],
  metrics: Readonly<Record<string, number>> = {},
): string | undefined {
  const declared = evaluation?.bestBy?.metric ?? evaluation?.stopWhen?.metric
  const reported = Object.keys(metrics).sort()
  const name = declared ?? reported.find((known) => known !== 'loss')
  if (name === undefined || !reported.includes(name)) return undefined
  return `${name.slice(0, LONGEST_NAME)} ${metrics[name]!.toFixed(3)}`
}
