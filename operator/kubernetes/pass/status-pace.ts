// A status that only moves on (round, clients, numbers) is written at most once a second for each job; one that says something new
// at once.
import type { Condition } from '#protocol/conditions.ts'
import type { StoredJob } from '../../objects/shapes.ts'
import type { Desired, OperatorStatus } from '../../reconcile/contract.ts'

const LEAST_MS = 1000

export interface Progress {
  /** What to do of what is wanted; `afterMs`: when to look again for the rest. */
  hold(job: string, stored: StoredJob, desired: Desired, now: number): { desired: Desired; afterMs?: number }
  written(job: string, now: number): void
  forget(job: string): void
}

export function openProgress(): Progress {
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

/** Whether every condition stands as it stood; messages may count up. */
export function isOnlyProgress({ status }: StoredJob, wanted: OperatorStatus): boolean {
  const essence = (conditions: readonly Pick<Condition, 'type' | 'status' | 'reason'>[]): string =>
    JSON.stringify(conditions.map(({ type, status: truth, reason }) => [type, truth, reason]).sort())
  const same = essence((status?.conditions ?? []) as readonly Condition[]) === essence(wanted.conditions)
  return (
    same &&
    status?.observedGeneration === wanted.observedGeneration &&
    status?.completionTime === wanted.completionTime
  )
}
