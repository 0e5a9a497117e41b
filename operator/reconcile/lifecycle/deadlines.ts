// startDeadlineSeconds and activeDeadlineSeconds: which one ends the job next, and when. Their clocks behave as the
// clock of a Kubernetes Job's activeDeadlineSeconds: they stop while the job is suspended or its queue holds it, and
// restart at 0 after. Pure.
import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { OperatorFailure } from '#protocol/reasons.ts'
import { listed } from '#protocol/text.ts'
import { moment } from '../../objects/fields.ts'
import type { KubernetesObject, StoredJob } from '../../objects/shapes.ts'
import { activeSince } from './queue-hold.ts'
import { attemptOf, isFinished } from './recreate.ts'

export interface Deadline {
  /** In milliseconds since 1970. */
  readonly at: number
  readonly reason: OperatorFailure
  readonly message: string
}

/** The facts that the clocks depend on. */
export interface ClockFacts {
  readonly job: StoredJob
  readonly spec: CompleteFederatedJobSpec
  readonly training: TrainingStatus | undefined
  readonly queue: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  /** Names of the sites that are not connected. */
  readonly away: readonly string[]
}

/** The Jobs whose starts the clocks depend on. */
export interface TimedJobs {
  readonly coordinator: KubernetesObject | undefined
  readonly workers: readonly KubernetesObject[]
}

/** The deadline that comes first, or undefined while no clock runs. It may be in the past. */
export function nearestDeadline(
  facts: ClockFacts,
  { coordinator, workers }: TimedJobs,
): Deadline | undefined {
  const { spec, training } = facts
  if (spec.suspend) return undefined
  const deadlines: Deadline[] = []
  // A run that starts from another run's round counts from there.
  const firstRound = spec.resumeFrom?.round ?? 0
  const started = training !== undefined && (training.round > firstRound || training.state === 'Training')
  // A recreated worker does not move the start: more than the queue held it.
  const first = workers.filter((job) => attemptOf(job) === 1 && !isFinished(job))
  const toStart = clockOf(facts, [coordinator, ...first])
  if (!started && toStart !== undefined) {
    const seconds = spec.startDeadlineSeconds
    const at = toStart + seconds * 1000
    const message = `No round began within spec.startDeadlineSeconds (${seconds}). ${startAdvice(training, facts.away)}`
    deadlines.push({ at, reason: 'StartDeadlineExceeded', message })
  }
  const active = clockOf(facts, [coordinator])
  const longest = spec.activeDeadlineSeconds
  if (typeof longest === 'number' && active !== undefined) {
    const message =
      `The run took longer than spec.activeDeadlineSeconds (${longest}). ` +
      'Create the job again with a larger value, or with fewer rounds.'
    deadlines.push({ at: active + longest * 1000, reason: 'DeadlineExceeded', message })
  }
  return deadlines.sort((a, b) => a.at - b.at)[0]
}

/** The fault for which the coordinator waits at the end; otherwise a client was missing. */
function startAdvice(training: TrainingStatus | undefined, away: readonly string[]): string {
  const { state, reason, message = '' } = training ?? {}
  if (state === 'Waiting' && reason !== 'NotEnoughClients' && message !== '')
    return `The coordinator waited: ${message.replace(/\.$/, '')}. Correct the cause, and create the job again.`
  if (away.length > 0)
    return `Sites that were not connected: ${listed(away)}. Have their agents started, and create the job again.`
  return 'Find out from the events and logs of the pods which client was missing, and create the job again.'
}

/** When the clock of these Jobs started, in milliseconds since 1970; undefined while a queue holds one of them. */
function clockOf(
  { job, queue, now }: ClockFacts,
  jobs: readonly (KubernetesObject | undefined)[],
): number | undefined {
  const begun = moment(job.status?.startTime) ?? now
  const suspended = job.status?.conditions?.find(({ type }) => type === 'Suspended')
  // Still True in the status: this pass resumes the job, and the clock starts now.
  const resumed = suspended?.status === 'True' ? now : (moment(suspended?.lastTransitionTime) ?? begun)
  const from = Math.max(begun, resumed)
  if (queue === undefined) return from
  const since = jobs.map((child) => child && activeSince(queue, child, now))
  return since.every((time) => time !== undefined) ? Math.max(from, ...since) : undefined
}
