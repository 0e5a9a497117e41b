// The labels and annotations of what a FederatedJob becomes. The operator writes them; the operator and `kubectl fedsam` select by them.
import { GROUP, OPERATOR_NAME } from './api.ts'

/** The name of the FederatedJob. */
export const JOB_LABEL = `${GROUP}/job`
export const ROLE_LABEL = `${GROUP}/role`
/** On workers: the name of the partition. */
export const PARTITION_LABEL = `${GROUP}/partition`

export type Role = 'coordinator' | 'worker'

/** Of a partition's Job: the digest of what its pod was rendered from. */
export const REVISION_ANNOTATION = `${GROUP}/revision`
/** Of a recreated Job: the number of its attempt. The first Job of a name has no such annotation. */
export const ATTEMPT_ANNOTATION = `${GROUP}/attempt`

/** Kueue's: the operator copies it from the FederatedJob to its Jobs. */
export const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name'

/** On everything of this product, the operator's Deployment included. */
export const PRODUCT_LABELS = { 'app.kubernetes.io/name': 'fedsam' } as const
/** On every object that the operator creates. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by'
export const MANAGED_LABELS = { ...PRODUCT_LABELS, [MANAGED_BY_LABEL]: OPERATOR_NAME } as const
/** On the operator's Deployment, by which `kubectl fedsam doctor` finds it. */
export const OPERATOR_LABELS = { ...PRODUCT_LABELS, 'app.kubernetes.io/component': 'operator' } as const

/** On the gate's Deployment and its pods. */
export const GATE_LABELS = { ...PRODUCT_LABELS, 'app.kubernetes.io/component': 'gate' } as const

/** A label selector for all of these labels. */
export function selectorOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}
