// The operator's part of the status, rebuilt from facts in each pass: conditions, times, and the text of the columns. Pure.

import { type Condition, conditionsFor, withTransitionTimes } from '#protocol/conditions.ts'
import type { CompleteFederatedJobSpec, StatusSummary } from '#protocol/generated/federatedjob.ts'
import { shortened } from '#protocol/text.ts'
import { ROLE_LABEL } from '../objects/labels.ts'
import type { Announcement, Observed, OperatorStatus } from './contract.ts'
import { pauseOf } from './lifecycle/suspend.ts'
import { clockTime, missingClients } from './problems/missing-clients.ts'
import { isReady } from './problems/pod-problems.ts'
import { shownMetric } from './shown-metric.ts'
import type { Verdict } from './state.ts'
import { trainingOf } from './training.ts'

/** Kubernetes' times have whole seconds. */
export function timestamp(milliseconds: number): string {
  return new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

/** Of conditions' messages and events' notes: the latter are bounded by the API server. */
const LONGEST = 1024
/** Of the column's text. */
const LONGEST_SUMMARY = 500

/** The status that the verdict makes. */
export function statusFor(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
  verdict: Verdict,
): OperatorStatus {
  const { job, now } = observed
  const ready = observed.pods.filter((pod) => pod.metadata.labels?.[ROLE_LABEL] === 'worker' && isReady(pod))
  const available = trainingOf(observed)?.clients?.available ?? ready.length
  const wanted = conditionsFor(verdict.state, {
    generation: job.metadata.generation ?? 1,
    waitingFor: verdict.waitingFor ?? 'Starting',
    failure: verdict.failure ?? 'CoordinatorFailed',
    message: [verdict.message, ...(observed.refusals ?? []), pauseMessage(observed)]
      .filter(Boolean)
      .join(' '),
    available,
    needed: spec.strategy.minAvailableClients,
    missing: missingClients(observed, spec),
  }).map((condition) => ({ ...condition, message: shortened(condition.message, LONGEST) }))
  const time = timestamp(now)
  const over = verdict.state === 'Complete' || verdict.state === 'Failed'
  const conditions = withTransitionTimes(wanted, (job.status?.conditions ?? []) as readonly Condition[], time)
  return {
    observedGeneration: job.metadata.generation ?? 1,
    startTime: job.status?.startTime ?? time,
    ...(over ? { completionTime: job.status?.completionTime ?? time } : {}),
    summary: summaryFor(observed, spec, verdict, { available, message: summaryMessage(conditions) }),
    conditions,
  }
}

function pauseMessage(observed: Observed): string {
  const pause = pauseOf(observed)
  if (!pause || pause.begins !== undefined) return ''
  return `The workers are suspended until ${clockTime(pause.until)}, so that others get their devices.`
}

/** Who is missing where that is what the job waits for, else why the job is as it is. */
function summaryMessage(conditions: readonly Condition[]): string {
  const of = (wanted: string): Condition | undefined => conditions.find(({ type }) => type === wanted)
  const [ready, quorum] = [of('Ready'), of('QuorumAvailable')]
  const starting = ready?.reason === 'Starting' && quorum?.status === 'False'
  return shortened((starting ? quorum.message : ready?.message) ?? '', LONGEST_SUMMARY)
}

function summaryFor(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
  verdict: Verdict,
  { available, message }: { readonly available: number; readonly message: string },
): StatusSummary {
  const training = trainingOf(observed)
  const metric = shownMetric(spec.evaluation, training?.metrics)
  const loss = training?.metrics?.loss
  const uri = training?.output?.uri
  return {
    state: verdict.state,
    // An attempt after the last round only evaluates.
    round: `${Math.min(training?.round ?? 0, spec.rounds)}/${spec.rounds}`,
    clients: `${available}/${spec.partitions.length}`,
    ...(metric === undefined ? {} : { metric }),
    ...(loss === undefined ? {} : { loss: loss.toFixed(3) }),
    message,
    ...(uri ? { output: uri } : {}),
  }
}

/** One event per change of what the job does, and one when the quorum is gone. */
export function announce(observed: Observed, status: OperatorStatus): Announcement[] {
  const before = observed.job.status?.conditions ?? []
  return status.conditions.flatMap(({ type, status: truth, reason, message }): Announcement[] => {
    const stored = before.find((condition) => condition.type === type)
    if (type === 'QuorumAvailable')
      return stored?.status === 'True' && truth === 'False' ? [{ type: 'Warning', reason, message }] : []
    if (type !== 'Ready' || (stored?.status === truth && stored.reason === reason)) return []
    const grave = truth === 'False' && reason !== 'Suspended'
    return [{ type: grave ? 'Warning' : 'Normal', reason, message }]
  })
}
