// What reconcile receives and what it returns: everything observed about one FederatedJob, and everything wanted.
// Plain data.
import type { Condition } from '#protocol/conditions.ts'
import type { FederatedJobStatus } from '#protocol/generated/federatedjob.ts'
import type { Settings } from '../objects/settings.ts'
import type { KubernetesObject, StoredJob, Warning } from '../objects/shapes.ts'

/** Everything that a decision may depend on. `children` are all objects that are ours or have the name of a child. */
export interface Observed {
  readonly job: StoredJob
  readonly children: readonly KubernetesObject[]
  readonly pods: readonly KubernetesObject[]
  /** Warnings about the pods and Jobs, oldest first. */
  readonly warnings: readonly Warning[]
  /** What the API server said no to when it was last tried, a sentence each. */
  readonly refusals?: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
  readonly settings: Settings
}

/**
 * One change of a child. Created: whole, refused where the name is taken. Applied: server-side, only the fields
 * given.
 */
export type ChildWrite =
  | { readonly kind: 'Create'; readonly object: KubernetesObject }
  | { readonly kind: 'Apply'; readonly object: KubernetesObject }
  | { readonly kind: 'Delete'; readonly object: KubernetesObject }

/** The operator's part of the status: everything but training. */
export type OperatorStatus = Omit<FederatedJobStatus, 'training' | 'conditions'> & {
  readonly conditions: readonly Condition[]
}

/** An event about the FederatedJob, sent after the status that it tells of was written. */
export interface Announcement {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** What is to be done, in this order; nothing where nothing differs. */
export interface Desired {
  readonly writes: readonly ChildWrite[]
  readonly status?: OperatorStatus
  readonly announcements: readonly Announcement[]
  /** The time to live is over: the FederatedJob itself is deleted. */
  readonly deleteJob: boolean
  /** Seconds after which to look again, though nothing changed. */
  readonly requeueAfterSeconds?: number
}
