// The settings of the operator that reconcile uses. They come from its environment and are the same for all jobs.
import type { SigningKey } from '#protocol/signatures.ts'
import type { Json } from './shapes.ts'

/** What authors of jobs may write into pod templates: what keeps a pod restricted, anything, or nothing. */
export const POD_TEMPLATES = ['Restricted', 'Any', 'Off'] as const
export type PodTemplates = (typeof POD_TEMPLATES)[number]

export interface Settings {
  readonly images: { readonly coordinator: string; readonly worker: string; readonly workerGpu: string }
  readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  /** Names of the pull secrets of images. They must exist in the job's namespace. */
  readonly pullSecrets: readonly string[]
  /** Signs the certificates of coordinators. */
  readonly certifier: SigningKey
  /** Public keys whose certificates workers believe: the certifier's, and that of its successor. */
  readonly trust: readonly string[]
  /** Peers in the NetworkPolicies of jobs. Absent: DEFAULT_PEERS (operator/reconcile/pods/network-policies.ts). */
  readonly peers?: NetworkPeers
  /** Absent: Restricted. */
  readonly podTemplates?: PodTemplates
  /** The operator's own namespace, where no job runs. Absent: the operator runs outside of the cluster. */
  readonly home?: string
}

/** Lists of NetworkPolicyPeer, as networking.k8s.io/v1 writes them, and of CIDRs. */
export interface NetworkPeers {
  /** Who may reach the metrics of coordinators; empty: no pod. */
  readonly metrics: readonly Json[]
  /** Which DNS servers pods may reach; empty: any. */
  readonly dns: readonly Json[]
  /** Where the stores and NATS servers of jobs are; empty: where their URLs say. */
  readonly servers: readonly Json[]
  /** Where the API server is; empty: anywhere. */
  readonly apiServer: readonly Json[]
  /** Ranges of addresses, such as those of pods and Services, that do not count as outside of the cluster. */
  readonly inside: readonly string[]
}
