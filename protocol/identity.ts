// Who the pods of a job are: the accounts that they run as, and for whom a client's token is. The operator renders pods by this, and the
// coordinator verifies tokens by it.
import { GROUP } from './api.ts'
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from './generated/federatedjob.ts'
import { coordinatorName, workerName } from './names.ts'

/** The audience of a run's tokens: no other run accepts them. */
export function audienceOf(uid: string): string {
  return `${GROUP}/${uid}`
}

/** The ServiceAccount of the coordinator of a job with this name. */
export function coordinatorAccount(job: string, spec: Pick<CompleteFederatedJobSpec, 'coordinator'>): string {
  return spec.coordinator.serviceAccountName || coordinatorName(job)
}

/** The ServiceAccount of a partition's worker. */
export function workerAccount(
  job: string,
  partition: Pick<CompletePartitionSpec, 'name' | 'serviceAccountName'>,
): string {
  return partition.serviceAccountName || workerName(job, partition.name)
}

/** A ServiceAccount as the subject of a token. */
export function subjectOf(namespace: string, account: string): string {
  return `system:serviceaccount:${namespace}:${account}`
}
