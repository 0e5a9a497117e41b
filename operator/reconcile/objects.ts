// The shapes that reconciling speaks of: a FederatedJob as stored, the little that is read of other objects, what is observed,
// and what is wanted. Plain data; nothing here talks to a cluster.
import type { Condition } from '#protocol/conditions.ts'
import type { FederatedJobSpec, FederatedJobStatus } from '#protocol/generated/federatedjob.ts'

export type Json = Readonly<Record<string, unknown>>

interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface Metadata {
  readonly name: string
  readonly namespace: string
  readonly uid?: string
  readonly generation?: number
  readonly resourceVersion?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
}

/** Any object; what lies beside metadata is looked at through Json. */
export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  readonly spec?: Json
  readonly status?: Json
  readonly [field: string]: unknown
}

/** A FederatedJob as the API server stores it. */
export interface StoredJob {
  readonly metadata: Metadata & { readonly uid: string }
  readonly spec: FederatedJobSpec
  readonly status?: FederatedJobStatus
}

/** A warning of Kubernetes about a pod or a Job. */
export interface Warning {
  /** Pod, Job. */
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly reason: string
  readonly message: string
  /** When it was last said, in milliseconds since 1970. */
  readonly at: number
}

/** What the operator is told at its start, the same for all jobs. */
export interface Settings {
  readonly images: { readonly coordinator: string; readonly worker: string; readonly workerGpu: string }
  readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  /** Names of Secrets, in the job's namespace, with which images are pulled. */
  readonly pullSecrets: readonly string[]
  /** Peers in the NetworkPolicies of jobs; absent: DEFAULT_PEERS (reconcile/pods/network-policies.ts). */
  readonly peers?: NetworkPeers
}

/** Lists of NetworkPolicyPeer, as networking.k8s.io/v1 writes them. */
export interface NetworkPeers {
  /** Who may reach the metrics of coordinators; empty: no pod. */
  readonly metrics: readonly Json[]
  /** Where pods may ask for names; empty: anywhere. */
  readonly dns: readonly Json[]
}

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

/** One change of a child. Created: whole, refused where the name is taken. Applied: server-side, only the fields given. */
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
