// The operator's part of the status, derived from the facts in every pass: conditions, times, and the text of
// kubectl's columns. Keeps nothing from pass to pass but the transition times that are in the stored status. Pure.

import { type Condition, conditionsFor, withTransitionTimes } from '#protocol/conditions.ts'
import type { StatusSummary } from '#protocol/generated/federatedjob.ts'
import { plainAddresses } from '#protocol/insecure.ts'
import { shortened } from '#protocol/text.ts'
import { timestamp } from '#protocol/timestamp.ts'
import type { StoredJob } from '../objects/shapes.ts'
import { clockTime } from '../objects/times.ts'
import type { Announcement, OperatorStatus } from './contract.ts'
import type { Facts } from './facts.ts'
import type { Pause } from './lifecycle/suspend.ts'
import { shownMetric } from './shown-metric.ts'
import type { Verdict } from './state.ts'

/** Characters of a condition's message. The API server bounds the note of an event, which has the same text, to 1024. */
const LONGEST = 1024
/** Characters of the message in the summary: a column of `kubectl get -o wide`. */
const LONGEST_SUMMARY = 500

/** The facts that the status shows. */
type StatusFacts = Pick<
  Facts,
  'job' | 'spec' | 'now' | 'training' | 'pause' | 'readyWorkers' | 'missing' | 'refusals'
>

/** The status of a job in this state. */
export function statusFor(facts: StatusFacts, verdict: Verdict): OperatorStatus {
  const { job, spec, now, training, missing } = facts
  const { status: stored, metadata } = job
  const generation = metadata.generation ?? 1
  const available = training?.clients?.available ?? facts.readyWorkers
  const wanted = conditionsFor(verdict.state, {
    generation,
    waitingFor: verdict.state === 'Waiting' ? verdict.waitingFor : 'Starting',
    failure: verdict.state === 'Failed' ? verdict.failure : 'CoordinatorFailed',
    message: [verdict.message, ...facts.refusals, pauseMessage(facts.pause)].filter(Boolean).join(' '),
    available,
    needed: spec.strategy.minAvailableClients,
    missing,
    allowInsecure: spec.allowInsecure,
    plain: plainAddresses(spec),
  }).map((condition) => ({ ...condition, message: shortened(condition.message, LONGEST) }))
  const time = timestamp(now)
  const over = verdict.state === 'Complete' || verdict.state === 'Failed'
  const conditions = withTransitionTimes(wanted, (stored?.conditions ?? []) as readonly Condition[], time)
  return {
    observedGeneration: generation,
    startTime: stored?.startTime ?? time,
    ...(over ? { completionTime: stored?.completionTime ?? time } : {}),
    summary: summaryFor(facts, verdict, { available, message: summaryMessage(conditions) }),
    conditions,
  }
}

function pauseMessage(pause: Pause | undefined): string {
  if (!pause || pause.begins !== undefined) return ''
  return `The workers are suspended until ${clockTime(pause.until)}, so that others get their devices.`
}

/** While the job waits for clients: which are missing. Otherwise: why the job is in its state. */
function summaryMessage(conditions: readonly Condition[]): string {
  const of = (wanted: string): Condition | undefined => conditions.find(({ type }) => type === wanted)
  const [ready, quorum] = [of('Ready'), of('QuorumAvailable')]
  const starting = ready?.reason === 'Starting' && quorum?.status === 'False'
  return shortened((starting ? quorum.message : ready?.message) ?? '', LONGEST_SUMMARY)
}

function summaryFor(
  { spec, training }: StatusFacts,
  verdict: Verdict,
  { available, message }: { readonly available: number; readonly message: string },
): StatusSummary {
  const metric = shownMetric(spec.evaluation, training?.metrics)
  const loss = training?.metrics?.loss
  const uri = training?.output?.uri
  return {
    state: verdict.state,
    // The attempt after the last round only evaluates; it does not count as a round.
    round: `${Math.min(training?.round ?? 0, spec.rounds)}/${spec.rounds}`,
    clients: `${available}/${spec.partitions.length}`,
    ...(metric === undefined ? {} : { metric }),
    ...(loss === undefined ? {} : { loss: loss.toFixed(3) }),
    message,
    ...(uri ? { output: uri } : {}),
  }
}

/** One event for each change of the job's state or reason, and one when the quorum is lost. */
export function announce({ status: stored }: StoredJob, status: OperatorStatus): Announcement[] {
  return status.conditions.flatMap(({ type, status: truth, reason, message }): Announcement[] => {
    const before = stored?.conditions?.find((condition) => condition.type === type)
    if (type === 'QuorumAvailable')
      return before?.status === 'True' && truth === 'False' ? [{ type: 'Warning', reason, message }] : []
    if (type !== 'Ready' || (before?.status === truth && before.reason === reason)) return []
    const grave = truth === 'False' && reason !== 'Suspended'
    return [{ type: grave ? 'Warning' : 'Normal', reason, message }]
  })
}
