// A job that is over: stops the Jobs that still run, records that an edit was seen, and deletes the job when
// ttlSecondsAfterFinished have passed. Its conditions and its output stay as they are. Pure.

import { ROLE_LABEL } from '#protocol/labels.ts'
import { isOwned } from '../objects/labels.ts'
import type { KubernetesObject, StoredJob } from '../objects/shapes.ts'
import { secondsUntil } from '../objects/times.ts'
import type { ChildWrite, Desired, Observed, OperatorStatus } from './contract.ts'
import { trainingOf } from './facts.ts'
import { isFinished } from './lifecycle/recreate.ts'

/** `ttl` is spec.ttlSecondsAfterFinished. */
export function reconcileFinished(observed: Observed, ttl: number | null | undefined): Partial<Desired> {
  const { job, now } = observed
  const writes = runningJobs(observed).map((object): ChildWrite => ({ kind: 'Delete', object }))
  const wanted = { writes, ...editStatus(job) }
  const ended = Date.parse(job.status?.completionTime ?? '')
  if (typeof ttl !== 'number' || Number.isNaN(ended)) return wanted
  const end = ended + ttl * 1000
  return end <= now
    ? { ...wanted, deleteJob: true }
    : { ...wanted, requeueAfterSeconds: secondsUntil(end, now) }
}

/** The workers' Jobs that still run. Of a failed run the coordinator's Job too: its pod would retry. */
function runningJobs({ job, children }: Observed): KubernetesObject[] {
  const completed = trainingOf(job)?.state === 'Complete'
  return children.filter(
    (child) =>
      child.kind === 'Job' &&
      !child.metadata.deletionTimestamp &&
      isOwned(job, child.metadata) &&
      !isFinished(child) &&
      (child.metadata.labels?.[ROLE_LABEL] === 'worker' || !completed),
  )
}

/**
 * An edit changes nothing about the job. The status still gets the new observedGeneration; otherwise `kubectl wait`
 * never returns.
 */
function editStatus({ metadata, status }: StoredJob): Pick<Desired, 'status'> {
  const { training: _, ...stored } = status ?? {}
  const observedGeneration = metadata.generation ?? 1
  if (stored.observedGeneration === observedGeneration) return {}
  const conditions = (stored.conditions ?? []).map((condition) => ({ ...condition, observedGeneration }))
  return { status: { ...stored, observedGeneration, conditions } as OperatorStatus }
}
