// FederatedJobs in every state, stored in a real API server with the operator's own conditions, and pods in the states that a
// kubelet would report: there is no node here, so their status is written in its place.
import { conditionsFor, type JobState } from '#protocol/conditions.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { type Ended, startFedsam } from '../cli/fedsam.ts'
import type { Cluster } from './cluster.ts'

const JOBS = '/apis/fedsam.dev/v1alpha1/namespaces'

/** Three and a half hours: an age that stays 3h for as long as a test takes. */
export const SINCE = new Date(Date.now() - 12_600_000).toISOString().replace(/\.\d+Z/, 'Z')

export const SPEC = {
  rounds: 3,
  partitions: [{ name: 'site-a' }, { name: 'site-b' }, { name: 'site-c' }],
  allowInsecure: true,
  storage: { s3: { bucket: 'models' } },
}

interface Stored {
  readonly metadata: { readonly name: string; readonly uid: string; readonly generation: number }
}

/** The facts of the job from which the rest follows. */
export interface Told {
  readonly state: JobState
  readonly message?: string
  readonly waitingFor?: 'Starting' | 'NotEnoughClients'
  readonly available?: number
  /** The message of QuorumAvailable. */
  readonly quorum?: string
  readonly training?: Omit<TrainingStatus, 'uid' | 'epoch'>
  readonly spec?: object
}

export async function makeNamespace({ client }: Cluster, name: string): Promise<void> {
  await client.call({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } })
}

/** Creates the job and writes the status that operator and coordinator would write. */
export async function makeJob(
  client: KubernetesClient,
  namespace: string,
  name: string,
  told?: Told,
): Promise<Stored> {
  const body = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name },
    spec: { ...SPEC, ...told?.spec },
  }
  const path = `${JOBS}/${namespace}/federatedjobs`
  const created = await client.call<Stored>({ method: 'POST', path, body })
  if (told) await tell(client, namespace, created, told)
  return created
}

/** Writes the status of a job that is there. */
export async function tell(
  client: KubernetesClient,
  namespace: string,
  job: Stored,
  told: Told,
): Promise<void> {
  const { name, uid, generation } = job.metadata
  const conditions = conditionsFor(told.state, {
    generation,
    waitingFor: told.waitingFor ?? 'Starting',
    failure: 'TooManyFailedRounds',
    message: told.message ?? '',
    available: told.available ?? 3,
    needed: 2,
    missing: [],
    allowInsecure: false,
    plain: [],
    outliers: [],
  }).map((condition) => ({ ...condition, message: messageOf(condition, told), lastTransitionTime: SINCE }))
  const status = {
    observedGeneration: generation,
    conditions,
    ...(told.training ? { training: { uid, epoch: 1, ...told.training } } : {}),
  }
  const path = `${JOBS}/${namespace}/federatedjobs/${name}/status`
  const contentType = 'application/merge-patch+json'
  await client.call({ method: 'PATCH', path, body: { status }, contentType })
}

/** The operator's words for a quorum are its own tests' matter. */
function messageOf({ type, message }: { type: string; message: string }, { quorum }: Told): string {
  return type === 'QuorumAvailable' && message !== '' ? (quorum ?? '') : message
}

/** A pod of a job, with the status that is given. */
export async function makePod(
  client: KubernetesClient,
  namespace: string,
  { job, partition, status }: { job: string; partition?: string; status: object },
): Promise<string> {
  const role = partition === undefined ? 'coordinator' : 'worker'
  const labels = {
    'fedsam.dev/job': job,
    'fedsam.dev/role': role,
    ...(partition ? { 'fedsam.dev/partition': partition } : {}),
  }
  const name = `${job}-${partition ?? 'coordinator'}-x1`
  const container = (called: string): object => ({ name: called, image: 'registry.example/team/image:1' })
  const spec = partition
    ? {
        initContainers: [{ ...container('network'), restartPolicy: 'Always' }],
        containers: [container('trainer')],
      }
    : { containers: [container('coordinator')] }
  const path = `/api/v1/namespaces/${namespace}/pods`
  await client.call({ method: 'POST', path, body: { metadata: { name, labels }, spec } })
  const contentType = 'application/strategic-merge-patch+json'
  await client.call({ method: 'PATCH', path: `${path}/${name}/status`, body: { status }, contentType })
  return name
}

export const READY = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
export const UNSCHEDULABLE = {
  phase: 'Pending',
  conditions: [
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.',
    },
  ],
}

/** Runs `fedsam ARGS` as the cluster's administrator. */
export function fedsamIn(
  { server }: Cluster,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return startFedsam(process.cwd(), args, { env: { KUBECONFIG: server.kubeconfig, ...env } })
}
