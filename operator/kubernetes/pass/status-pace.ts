// How often the status of one job is written. A status that only shows progress (round, clients, numbers) is written
// at most once a second; a status with a new condition, reason or event is written at once.
import type { Condition } from '#protocol/conditions.ts'
import type { StoredJob } from '../../objects/shapes.ts'
import type { Desired, OperatorStatus } from '../../reconcile/contract.ts'

/** Milliseconds between two statuses that only show progress: kubectl get -w stays readable, and etcd is not flooded. */
const LEAST_MS = 1000

/** `job` is the key of a FederatedJob, namespace/name. `now` is a monotonic clock in milliseconds. */
export interface StatusPace {
  /** The part of `desired` that may be written now. `afterMs`: when the next pass is due to write the rest. */
  hold(job: string, stored: StoredJob, desired: Desired, now: number): { desired: Desired; afterMs?: number }
  written(job: string, now: number): void
  forget(job: string): void
}

export function openStatusPace(): StatusPace {
  const last = new Map<string, number>()
  return {
    hold(job, stored, desired, now) {
      const wait = (last.get(job) ?? Number.NEGATIVE_INFINITY) + LEAST_MS - now
      if (!desired.status || wait <= 0 || desired.announcements.length > 0) return { desired }
      if (!isOnlyProgress(stored, desired.status)) return { desired }
      const { status: _, ...rest } = desired
      return { desired: rest, afterMs: wait }
    },
    written: (job, now) => void last.set(job, now),
    forget: (job) => void last.delete(job),
  }
}

/** Whether every condition has the status and the reason that it had; messages may differ. */
function isOnlyProgress({ status }: StoredJob, wanted: OperatorStatus): boolean {
  const essence = (conditions: readonly Pick<Condition, 'type' | 'status' | 'reason'>[]): string =>
    JSON.stringify(conditions.map(({ type, status: truth, reason }) => [type, truth, reason]).sort())
  const same = essence((status?.conditions ?? []) as readonly Condition[]) === essence(wanted.conditions)
  return (
    same &&
    status?.observedGeneration === wanted.observedGeneration &&
    status?.completionTime === wanted.completionTime
  )
}
