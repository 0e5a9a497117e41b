// The complete set of children that a FederatedJob should have: accounts, rights, network policies, and Jobs. Which of them are
// written is decided in writes.ts.

import { GROUP, PLURAL } from '#protocol/api.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { isExternal } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { coordinatorAccount } from '#protocol/identity.ts'
import { QUEUE_LABEL, type Role } from '#protocol/labels.ts'
import { coordinatorName, workerName } from '#protocol/names.ts'
import { CONTAINERS } from '#protocol/pods.ts'
import { childMetadata, podLabels } from '../objects/labels.ts'
import type { Settings } from '../objects/settings.ts'
import type { Json, KubernetesObject, Metadata, StoredJob } from '../objects/shapes.ts'
import { revisionOf } from './lifecycle/revision.ts'
import type { Suspension } from './lifecycle/suspend.ts'
import { coordinatorTemplate } from './pods/coordinator-pod.ts'
import { networkPolicies } from './pods/network-policies.ts'
import { workerTemplate } from './pods/worker-pod.ts'

/** How many pods of a Job may fail with an exit that a retry may cure: of one partition, and of the coordinator. */
const WORKER_RETRIES = 6
const COORDINATOR_RETRIES = 1000

/** All children of a job that is not over. */
export function renderChildren(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  settings: Settings,
  suspend: Suspension,
): KubernetesObject[] {
  // A site runs its client itself.
  const own = spec.partitions.filter((partition) => !isExternal(partition))
  const account = (name: string, role: Role, partition?: string): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: childMetadata(job, name, podLabels(job.metadata.name, role, partition)),
    automountServiceAccountToken: false,
  })
  const name = coordinatorName(job.metadata.name)
  return [
    ...(spec.coordinator.serviceAccountName ? [] : [account(name, 'coordinator')]),
    ...coordinatorAccess(job, spec),
    ...networkPolicies(job, spec, settings.peers),
    coordinatorJob(job, spec, settings, suspend.coordinator),
    ...own.flatMap((partition) => {
      const worker = workerName(job.metadata.name, partition.name)
      const labels = podLabels(job.metadata.name, 'worker', partition.name)
      return [
        ...(partition.serviceAccountName ? [] : [account(worker, 'worker', partition.name)]),
        batchJob(
          job,
          { name: worker, labels, annotations: revisionOf(partition) },
          {
            backoffLimit: WORKER_RETRIES,
            // Two workers of one partition would compete for its device: a replacement starts when the last pod has ended.
            podReplacementPolicy: 'Failed',
            podFailurePolicy: podFailurePolicy(),
            suspend: suspend.workers,
            template: workerTemplate({ job, spec, partition, settings }),
          },
        ),
      ]
    }),
  ]
}

/** A Job's podFailurePolicy, from the table of exit codes. An eviction never counts as a failure. */
export function podFailurePolicy(): Json {
  const exits = Object.values(POD_EXITS)
  const codes = (action: string): number[] =>
    exits.filter((exit) => exit.action === action).map(({ code }) => code)
  const rule = (action: 'Ignore' | 'FailJob'): Json => ({
    action,
    onExitCodes: {
      containerName: CONTAINERS.trainer,
      operator: 'In',
      values: codes(action).sort((a, b) => a - b),
    },
  })
  const disrupted = { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }
  return { rules: [disrupted, rule('Ignore'), rule('FailJob')] }
}

function batchJob(
  job: StoredJob,
  { name, labels, annotations }: Pick<Metadata, 'name' | 'labels' | 'annotations'>,
  spec: Json,
): KubernetesObject {
  const queue = job.metadata.labels?.[QUEUE_LABEL]
  const queued = queue === undefined ? { ...labels } : { ...labels, [QUEUE_LABEL]: queue }
  const common = childMetadata(job, name, queued)
  const metadata = annotations ? { ...common, annotations } : common
  return { apiVersion: 'batch/v1', kind: 'Job', metadata, spec }
}

function coordinatorJob(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  settings: Settings,
  suspend: boolean,
): KubernetesObject {
  const { name } = job.metadata
  return batchJob(
    job,
    { name: coordinatorName(name), labels: podLabels(name, 'coordinator') },
    {
      backoffLimit: COORDINATOR_RETRIES,
      // The record makes two coordinators safe. Without one, the run stops: the replacement starts at once.
      podReplacementPolicy: 'TerminatingOrFailed',
      suspend,
      template: coordinatorTemplate(job, spec, settings),
    },
  )
}

/** The coordinator's rights: it reads its own FederatedJob, and writes only the status. */
function coordinatorAccess(job: StoredJob, spec: CompleteFederatedJobSpec): KubernetesObject[] {
  const name = coordinatorName(job.metadata.name)
  const metadata = childMetadata(job, name, podLabels(job.metadata.name, 'coordinator'))
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const rule = (resource: string, verbs: string[]): Json => ({
    apiGroups: [GROUP],
    resources: [resource],
    resourceNames: [job.metadata.name],
    verbs,
  })
  const account = coordinatorAccount(job.metadata.name, spec)
  return [
    {
      apiVersion,
      kind: 'Role',
      metadata,
      rules: [rule(PLURAL, ['get', 'list', 'watch']), rule(`${PLURAL}/status`, ['patch'])],
    },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace: job.metadata.namespace }],
    },
  ]
}
