// What reconcile receives and what it returns: everything observed about one FederatedJob, and everything wanted.
// Plain data.
import type { Condition } from '#protocol/conditions.ts'
import type { FederatedJobStatus } from '#protocol/generated/federatedjob.ts'
import type { Settings } from '../objects/settings.ts'
import type { KubernetesObject, StoredJob, Warning } from '../objects/shapes.ts'

/** Everything that a decision may depend on. `children` are the objects that the job owns or that have the name of a child. */
export interface Observed {
  readonly job: StoredJob
  readonly children: readonly KubernetesObject[]
  readonly pods: readonly KubernetesObject[]
  /** Warnings about the pods and Jobs, oldest first. */
  readonly warnings: readonly Warning[]
  /** Children that the API server rejected when they were last written: a sentence each. */
  readonly refusals?: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
  readonly settings: Settings
}

/**
 * One change of a child. Create sends the whole object and fails if the name is taken. Apply is server-side, of the given fields.
 */
export type ChildWrite =
  | { readonly kind: 'Create'; readonly object: KubernetesObject }
  | { readonly kind: 'Apply'; readonly object: KubernetesObject }
  | { readonly kind: 'Delete'; readonly object: KubernetesObject }

/** The operator's part of the status: everything except training. */
export type OperatorStatus = Omit<FederatedJobStatus, 'training' | 'conditions'> & {
  readonly conditions: readonly Condition[]
}

/** An event about the FederatedJob. It is sent after the status that it reports. */
export interface Announcement {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** The wanted changes, in the order in which they are carried out. */
export interface Desired {
  readonly writes: readonly ChildWrite[]
  readonly status?: OperatorStatus
  readonly announcements: readonly Announcement[]
  /** ttlSecondsAfterFinished have passed: the FederatedJob itself is deleted. */
  readonly deleteJob: boolean
  /** Seconds after which the next pass is due without an event. */
  readonly requeueAfterSeconds?: number
}
