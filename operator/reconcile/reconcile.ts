// What the operator does about a FederatedJob: one pure function from everything observed to everything wanted. It reads no
// clock and no cluster; applied to its own outcome it wants nothing more.
import { completeSpec } from '#protocol/defaults.ts'
import { isOwned, ROLE_LABEL } from '../objects/labels.ts'
import { renderChildren } from './children.ts'
import type { ChildWrite, Desired, Observed, OperatorStatus } from './contract.ts'
import { isFinished } from './lifecycle/recreate.ts'
import { pauseOf, suspensionOf } from './lifecycle/suspend.ts'
import { stuckAt } from './problems/pod-problems.ts'
import { decideState, terminalState, type Verdict } from './state.ts'
import { announce, statusFor } from './status.ts'
import { trainingOf } from './training.ts'
import { childWrites, covers } from './writes.ts'

const NOTHING: Desired = { writes: [], announcements: [], deleteJob: false }

/** Never throws for an object that the API server accepted. */
export function reconcile(observed: Observed): Desired {
  const { job } = observed
  // Owner references collect the children; no finalizer can hang.
  if (job.metadata.deletionTimestamp) return NOTHING
  const spec = completeSpec(job.spec)
  if (spec.managedBy !== '') return NOTHING
  if (terminalState(observed))
    return { ...NOTHING, ...sinceEdited(observed), ...afterTheEnd(observed, spec.ttlSecondsAfterFinished) }
  const wanted = renderChildren(job, spec, observed.settings, suspensionOf(observed, spec))
  const { writes, conflicts, until } = childWrites(job, wanted, observed.children, observed.now)
  const verdict = decideState(observed, spec, conflicts)
  const over = verdict.state === 'Complete' || verdict.state === 'Failed'
  const status = statusFor(observed, spec, verdict)
  const differs = !sameStatus(observed, status)
  const moments = over ? [] : [...until, ...momentsOf(observed, verdict)]
  return {
    // The status of a job that is over goes first; the next pass clears up.
    writes: over ? [] : writes,
    announcements: differs ? announce(observed, status) : [],
    ...(differs ? { status } : {}),
    deleteJob: false,
    ...(moments.length === 0
      ? {}
      : { requeueAfterSeconds: secondsUntil(Math.min(...moments), observed.now) }),
  }
}

/** When time alone changes what is to be done: deadlines, the ends of pauses, pods that become stuck. */
function momentsOf(observed: Observed, { until }: Verdict): number[] {
  const pause = pauseOf(observed)
  const stuck = observed.pods.map(stuckAt).filter((at) => at !== undefined && at > observed.now)
  return [until, pause?.begins ?? pause?.until, ...stuck].filter((moment) => moment !== undefined)
}

function secondsUntil(moment: number, now: number): number {
  return Math.max(1, Math.ceil((moment - now) / 1000))
}

/** Status is compared both ways, so that a field that should be gone counts as a difference; training is not ours. */
function sameStatus({ job }: Observed, status: OperatorStatus): boolean {
  const { training: _, ...stored } = job.status ?? {}
  return covers(stored, status) && covers(status, stored)
}

/** An edit changes nothing about a job that is over; that it was seen is said, or kubectl wait would wait for it for ever. */
function sinceEdited({ job }: Observed): Pick<Desired, 'status'> {
  const { training: _, ...stored } = job.status ?? {}
  const observedGeneration = job.metadata.generation ?? 1
  if (stored.observedGeneration === observedGeneration) return {}
  const conditions = (stored.conditions ?? []).map((condition) => ({ ...condition, observedGeneration }))
  return { status: { ...stored, observedGeneration, conditions } as OperatorStatus }
}

/** Workers that still run are stopped, a failed run's coordinator too; the job is deleted when its time to live is over. */
function afterTheEnd(observed: Observed, ttl: number | null | undefined): Partial<Desired> {
  const { job, children, now } = observed
  const leftRunning = children.filter(
    (child) =>
      child.kind === 'Job' &&
      !child.metadata.deletionTimestamp &&
      isOwned(job, child.metadata) &&
      !isFinished(child) &&
      (child.metadata.labels?.[ROLE_LABEL] === 'worker' || trainingOf(observed)?.state !== 'Complete'),
  )
  const writes = leftRunning.map((object): ChildWrite => ({ kind: 'Delete', object }))
  const ended = Date.parse(job.status?.completionTime ?? '')
  if (typeof ttl !== 'number' || Number.isNaN(ended)) return { writes }
  const end = ended + ttl * 1000
  return end <= now ? { writes, deleteJob: true } : { writes, requeueAfterSeconds: secondsUntil(end, now) }
}
