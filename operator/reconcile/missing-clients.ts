// Which partitions have no running worker, and why, each with its name: from its pods, its Job's end, or what the coordinator says.
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { workerName } from '#protocol/names.ts'
import { text } from './fields.ts'
import { PARTITION_LABEL } from './labels.ts'
import type { KubernetesObject, Observed } from './objects.ts'
import { jobFailure, latestProblem } from './pod-history.ts'
import { renewalAt } from './renewal.ts'
import { trainingOf } from './training.ts'
import { workersOf } from './worker-container.ts'

export interface MissingClient {
  readonly client: string
  readonly reason: string
}

/** Partitions without a running worker whose reason is known, in the order of the spec. */
export function missingClients(observed: Observed, spec: CompleteFederatedJobSpec): MissingClient[] {
  const workers = new Map(
    observed.children.filter(({ kind }) => kind === 'Job').map((job) => [job.metadata.name, job]),
  )
  const pods = Map.groupBy(observed.pods, ({ metadata }) => metadata.labels?.[PARTITION_LABEL])
  const absent = new Map(trainingOf(observed)?.clients?.absent?.map((client) => [client.name, client]))
  return spec.partitions.flatMap((partition) => {
    const { name, external } = partition
    if (external) return []
    const job = workers.get(workerName(observed.job.metadata.name, name))
    const failures = job?.status?.failed
    const problem = latestProblem(pods.get(name) ?? [], {
      warnings: observed.warnings,
      job,
      now: observed.now,
      memoryLimit: (container) => memoryLimit(spec, partition, container),
      ...(typeof failures === 'number' ? { failures } : {}),
    })
    const client = absent.get(name)
    const heard = client && [client.outcome, client.message ?? client.reason].filter(Boolean).join(', ')
    const reason = (job && givenUp(job, problem)) ?? problem ?? heard
    return reason === undefined ? [] : [{ client: name, reason }]
  })
}

/** A Job that failed for good says why, and when it is made anew. */
function givenUp(job: KubernetesObject, problem: string | undefined): string | undefined {
  const failure = jobFailure(job)
  if (failure === undefined) return undefined
  const at = renewalAt(job)
  const again = at === undefined || at === 0 ? '' : `; tried again at ${clockTime(at)}`
  return `${problem ?? failure}${again}`
}

/** 08:30:00Z */
export function clockTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(11, 19)}Z`
}

function memoryLimit(
  spec: CompleteFederatedJobSpec,
  partition: CompletePartitionSpec,
  container: string,
): string | undefined {
  if (container !== 'trainer') return undefined
  const limit = workersOf(spec, partition).resources.limits?.memory
  return limit === undefined ? undefined : text(String(limit))
}
