// What the operator does about a FederatedJob: one pure function from everything observed to everything wanted. It
// reads no clock and no cluster. Applied to its own outcome, it wants nothing more. kubernetes/pass carries out its
// result.
import { completeSpec } from '#protocol/defaults.ts'
import type { StoredJob } from '../objects/shapes.ts'
import { secondsUntil } from '../objects/times.ts'
import { renderChildren } from './children.ts'
import type { ChildWrite, Desired, Observed, OperatorStatus } from './contract.ts'
import { type Facts, factsOf } from './facts.ts'
import { reconcileFinished } from './finished.ts'
import { ALL_SUSPENDED, suspensionOf } from './lifecycle/suspend.ts'
import { decideState, isOver } from './state.ts'
import { announce, statusFor } from './status.ts'
import { childWrites, covers } from './writes.ts'

const NOTHING: Desired = { writes: [], announcements: [], deleteJob: false }

/** Never throws for an object that the API server accepted. */
export function reconcile(observed: Observed): Desired {
  const { job, children, settings, now } = observed
  // The garbage collector deletes the children by their owner references: no finalizer can block the deletion.
  if (job.metadata.deletionTimestamp) return NOTHING
  const spec = completeSpec(job.spec)
  if (spec.managedBy !== '') return NOTHING
  if (isOver(job)) return { ...NOTHING, ...reconcileFinished(observed, spec.ttlSecondsAfterFinished) }

  const facts = factsOf(observed, spec)
  const suspension = facts.forbidden ? ALL_SUSPENDED : suspensionOf(spec, facts.pause)
  const wanted = renderChildren(job, spec, settings, suspension)
  const { writes, conflicts, until } = childWrites(job, wanted, children, now)
  const verdict = decideState({ ...facts, conflicts })
  const status = statusFor(facts, verdict)

  const over = verdict.state === 'Complete' || verdict.state === 'Failed'
  const moments = over ? [] : [...until, ...momentsOf(facts)]
  const requeue = moments.length === 0 ? {} : { requeueAfterSeconds: secondsUntil(Math.min(...moments), now) }
  // The end of a job is written first; the next pass stops its workers.
  const changes = { ...NOTHING, writes: over ? [] : allowedWrites(facts, writes), ...requeue }
  if (isStored(job, status)) return changes
  return { ...changes, status, announcements: announce(job, status) }
}

/** A job that breaks a rule for authors gets no new object. What it has from before is stopped and may be deleted. */
function allowedWrites({ forbidden }: Facts, writes: readonly ChildWrite[]): readonly ChildWrite[] {
  return forbidden ? writes.filter(({ kind }) => kind !== 'Create') : writes
}

/**
 * The moments at which time alone changes what is wanted: a deadline, a pause that begins or ends, a pod that counts
 * as stuck.
 */
function momentsOf({ deadline, pause, stuckMoments }: Facts): number[] {
  return [deadline?.at, pause?.begins ?? pause?.until, ...stuckMoments].filter((at) => at !== undefined)
}

/**
 * Compares both ways, so that a stored field that is wanted no longer counts as a difference. The coordinator owns
 * training.
 */
function isStored(job: StoredJob, status: OperatorStatus): boolean {
  const { training: _, ...stored } = job.status ?? {}
  return covers(stored, status) && covers(status, stored)
}
