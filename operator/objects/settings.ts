// The settings of the operator that reconciling uses. They come from the operator's environment and are the same for
// all jobs.
import type { Json } from './shapes.ts'

/** What the operator is told at its start, the same for all jobs. */
export interface Settings {
  readonly images: { readonly coordinator: string; readonly worker: string; readonly workerGpu: string }
  readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  /** Names of Secrets, in the job's namespace, with which images are pulled. */
  readonly pullSecrets: readonly string[]
  /** Peers in the NetworkPolicies of jobs; absent: DEFAULT_PEERS (operator/reconcile/pods/network-policies.ts). */
  readonly peers?: NetworkPeers
}

/** Lists of NetworkPolicyPeer, as networking.k8s.io/v1 writes them. */
export interface NetworkPeers {
  /** Who may reach the metrics of coordinators; empty: no pod. */
  readonly metrics: readonly Json[]
  /** Where pods may ask for names; empty: anywhere. */
  readonly dns: readonly Json[]
}
