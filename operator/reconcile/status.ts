// The operator's part of the status, derived from the facts in every pass: conditions, times, and the text of
// kubectl's columns. Keeps nothing from pass to pass but the transition times that are in the stored status. Pure.

import { type Condition, conditionsFor, withTransitionTimes } from '#protocol/conditions.ts'
import type { StatusSummary } from '#protocol/generated/federatedjob.ts'
import { plainAddresses } from '#protocol/insecure.ts'
import type { Outlier } from '#protocol/outliers.ts'
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
  'job' | 'spec' | 'now' | 'training' | 'certificate' | 'pause' | 'readyWorkers' | 'missing' | 'refusals'
>

/** The status of a job in this state. */
export function statusFor(facts: StatusFacts, verdict: Verdict): OperatorStatus {
  const { job, spec, now, training, missing, certificate } = facts
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
    outliers: outliersOf(training),
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
    ...(certificate === undefined ? {} : { coordinatorCertificate: certificate }),
  }
}

/** The list that the coordinator wrote. */
function outliersOf(training: StatusFacts['training']): Outlier[] {
  return (training?.clients?.outliers ?? []).map(({ name, measure, value = 0, median = 0 }) => {
    return { client: name, measure, value, median }
  })
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

/** One event for each change of the job's state or reason, one when the quorum is lost, and one when outliers appear. */
export function announce({ status: stored }: StoredJob, { conditions }: OperatorStatus): Announcement[] {
  return conditions.flatMap((condition): Announcement[] => {
    const before = stored?.conditions?.find(({ type }) => type === condition.type)
    const grade = gradeOf(condition, before)
    const { reason, message } = condition
    return grade === undefined ? [] : [{ type: grade, reason, message }]
  })
}

type Shown = Pick<Condition, 'type' | 'status' | 'reason'>

/** How grave the event about a condition is; undefined for a condition without an event. `before`: the stored condition. */
function gradeOf(
  { type, status, reason }: Shown,
  before: Omit<Shown, 'type'> | undefined,
): Announcement['type'] | undefined {
  switch (type) {
    case 'QuorumAvailable':
      return before?.status === 'True' && status === 'False' ? 'Warning' : undefined
    case 'Outliers':
      return before === undefined ? 'Warning' : undefined
    case 'Ready':
      if (before?.status === status && before.reason === reason) return undefined
      return status === 'False' && reason !== 'Suspended' ? 'Warning' : 'Normal'
    default:
      return undefined
  }
}
