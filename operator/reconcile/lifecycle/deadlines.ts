// startDeadlineSeconds and activeDeadlineSeconds: which one ends the job next, and when. Their clocks behave as that of a Kubernetes
// Job's activeDeadlineSeconds: they stop while the job is suspended or its queue holds it, and start again at 0 when it goes on. Pure.
import type { FailureReason } from '#protocol/conditions.ts'
import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { moment } from '../../objects/fields.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import type { Observed } from '../contract.ts'
import { activeSince, queueOf } from './queue-hold.ts'
import { attemptOf, isFinished } from './recreate.ts'

export interface Deadline {
  /** In milliseconds since 1970. */
  readonly at: number
  readonly reason: FailureReason
  readonly message: string
}

/** The Jobs that deadlines depend on. */
export interface TimedJobs {
  readonly coordinator: KubernetesObject | undefined
  readonly workers: readonly KubernetesObject[]
}

/** The deadline that comes first, or undefined while no clock runs. */
export function nearestDeadline(
  observed: Observed,
  spec: CompleteFederatedJobSpec,
  training: TrainingStatus | undefined,
  { coordinator, workers }: TimedJobs,
): Deadline | undefined {
  const deadlines: Deadline[] = []
  const started = training !== undefined && (training.round > 0 || training.state === 'Training')
  // A worker that was renewed after its end was not held by the queue alone: it does not move the start.
  const first = workers.filter((job) => attemptOf(job) === 1 && !isFinished(job))
  const toStart = clockOf(observed, [coordinator, ...first])
  if (!started && toStart !== undefined) {
    const message = `No round began within startDeadlineSeconds, ${spec.startDeadlineSeconds}.`
    deadlines.push({
      at: toStart + spec.startDeadlineSeconds * 1000,
      reason: 'StartDeadlineExceeded',
      message,
    })
  }
  const active = clockOf(observed, [coordinator])
  if (typeof spec.activeDeadlineSeconds === 'number' && active !== undefined) {
    const message = `The run took longer than activeDeadlineSeconds, ${spec.activeDeadlineSeconds}.`
    deadlines.push({ at: active + spec.activeDeadlineSeconds * 1000, reason: 'DeadlineExceeded', message })
  }
  return deadlines.sort((a, b) => a.at - b.at)[0]
}

/** When the clock started, or undefined while a queue holds one of these Jobs. */
function clockOf(observed: Observed, jobs: readonly (KubernetesObject | undefined)[]): number | undefined {
  const { job, now } = observed
  const begun = moment(job.status?.startTime) ?? now
  const suspended = job.status?.conditions?.find(({ type }) => type === 'Suspended')
  // Still True: this pass resumes the job, and the clock starts now.
  const resumed = suspended?.status === 'True' ? now : (moment(suspended?.lastTransitionTime) ?? begun)
  const from = Math.max(begun, resumed)
  if (queueOf(observed) === undefined) return from
  const since = jobs.map((child) => child && activeSince(observed, child))
  return since.every((time) => time !== undefined) ? Math.max(from, ...since) : undefined
}
