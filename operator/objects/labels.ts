// Labels and owner references. All children of a FederatedJob carry both: the operator finds them by the labels, and the garbage
// collector deletes them by the owner reference.
import type { Metadata, StoredJob } from './shapes.ts'

export const JOB_LABEL = 'fedsam.dev/job'
export const ROLE_LABEL = 'fedsam.dev/role'
export const PARTITION_LABEL = 'fedsam.dev/partition'
/** Kueue's: on a FederatedJob it is passed on to its Jobs. */
export const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name'

export type Role = 'coordinator' | 'worker'

/** Labels of an object, and of a pod, of this job in that role. */
export function podLabels(job: string, role: Role, partition?: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'fedsam',
    'app.kubernetes.io/managed-by': 'fedsam-operator',
    [JOB_LABEL]: job,
    [ROLE_LABEL]: role,
    ...(partition === undefined ? {} : { [PARTITION_LABEL]: partition }),
  }
}

/** Metadata of a child. */
export function childMetadata(
  job: StoredJob,
  name: string,
  labels: Readonly<Record<string, string>>,
): Metadata {
  return {
    name,
    namespace: job.metadata.namespace,
    labels,
    ownerReferences: [
      {
        apiVersion: 'fedsam.dev/v1alpha1',
        kind: 'FederatedJob',
        name: job.metadata.name,
        uid: job.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  }
}

/** Whether this very FederatedJob, not an earlier one of its name, controls the object. */
export function isOwned(job: StoredJob, metadata: Metadata): boolean {
  return (metadata.ownerReferences ?? []).some(
    ({ uid, controller }) => controller && uid === job.metadata.uid,
  )
}
