// Which metric of the newest model a job's summary shows, and with it the METRIC column of kubectl. Pure.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'

/** Letters of a name in the summary: a column of a terminal has no room for more. */
const LONGEST_NAME = 40

/**
 * "dice 0.912": the metric of evaluation.bestBy; else that of evaluation.stopWhen; else the first by name of those that the
 * clients report beside the loss, which has a column of its own. Undefined while no client has reported it.
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
