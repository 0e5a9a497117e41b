// What the operator does about a FederatedJob: one pure function from everything observed to everything wanted. It reads no
// clock and no cluster; applied to its own outcome it wants nothing more.
import { completeSpec } from '#protocol/defaults.ts'
import { renderChildren } from './children.ts'
import { ROLE_LABEL } from './labels.ts'
import type { ChildWrite, Desired, Observed, OperatorStatus } from './objects.ts'
import { decideState, terminalState, trainingOf } from './state.ts'
import { announce, statusFor } from './status.ts'
import { childWrites, covers } from './writes.ts'

const NOTHING: Desired = { writes: [], announcements: [], deleteJob: false }

/** Never throws for an object that the API server accepted. */
export function reconcile(observed: Observed): Desired {
  const { job } = observed
  // Owner references collect the children; no finalizer can hang.
  if (job.metadata.deletionTimestamp) return NOTHING
  const spec = completeSpec(job.spec)
  if (spec.managedBy !== '') return NOTHING
  if (terminalState(observed)) return { ...NOTHING, ...afterTheEnd(observed, spec.ttlSecondsAfterFinished) }
  const wanted = renderChildren(job, spec, observed.settings, spec.suspend)
  const { writes, conflicts } = childWrites(job, wanted, observed.children)
  const verdict = decideState(observed, spec, conflicts)
  const over = verdict.state === 'Complete' || verdict.state === 'Failed'
  const status = statusFor(observed, spec, verdict)
  const differs = !sameStatus(observed, status)
  return {
    // The status of a job that is over goes first; the next pass clears up.
    writes: over ? [] : writes,
    announcements: differs ? announce(observed, status) : [],
    ...(differs ? { status } : {}),
    deleteJob: false,
    ...(verdict.until === undefined
      ? {}
      : { requeueAfterSeconds: secondsUntil(verdict.until, observed.now) }),
  }
}

function secondsUntil(moment: number, now: number): number {
  return Math.max(1, Math.ceil((moment - now) / 1000))
}

/** Status is compared both ways, so that a field that should be gone counts as a difference; training is not ours. */
function sameStatus({ job }: Observed, status: OperatorStatus): boolean {
  const { training: _, ...stored } = job.status ?? {}
  return covers(stored, status) && covers(status, stored)
}

/** Workers that still run are stopped, a failed run's coordinator too; the job is deleted when its time to live is over. */
function afterTheEnd(observed: Observed, ttl: number | null | undefined): Partial<Desired> {
  const { job, children, now } = observed
  const leftRunning = children.filter(
    ({ kind, metadata, status }) =>
      kind === 'Job' &&
      !metadata.deletionTimestamp &&
      metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid) &&
      !isFinished(status) &&
      (metadata.labels?.[ROLE_LABEL] === 'worker' || trainingOf(observed)?.state !== 'Complete'),
  )
  const writes = leftRunning.map((object): ChildWrite => ({ kind: 'Delete', object }))
  const ended = Date.parse(job.status?.completionTime ?? '')
  if (typeof ttl !== 'number' || Number.isNaN(ended)) return { writes }
  const end = ended + ttl * 1000
  return end <= now ? { writes, deleteJob: true } : { writes, requeueAfterSeconds: secondsUntil(end, now) }
}

function isFinished(status: unknown): boolean {
  const conditions =
    (status as { conditions?: { type: string; status: string }[] } | undefined)?.conditions ?? []
  return conditions.some(
    ({ type, status: truth }) => truth === 'True' && (type === 'Complete' || type === 'Failed'),
  )
}
