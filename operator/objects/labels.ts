// Labels and owner references. Every child of a FederatedJob has both: the operator finds it by the labels, and the garbage
// collector deletes it by the owner reference. Pure.
import { REFERENCE } from '#protocol/api.ts'
import { JOB_LABEL, MANAGED_LABELS, PARTITION_LABEL, ROLE_LABEL, type Role } from '#protocol/labels.ts'
import type { Metadata, StoredJob } from './shapes.ts'

/** Labels of an object, and of a pod, of this job in that role. */
export function podLabels(job: string, role: Role, partition?: string): Record<string, string> {
  return {
    ...MANAGED_LABELS,
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
        ...REFERENCE,
        name: job.metadata.name,
        uid: job.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  }
}

/** Whether this FederatedJob controls the object. An earlier FederatedJob of the same name has another uid. */
export function isOwned(job: StoredJob, metadata: Metadata): boolean {
  return (metadata.ownerReferences ?? []).some(
    ({ uid, controller }) => controller && uid === job.metadata.uid,
  )
}
