// Which partitions have no running worker, and why, each with its name: from its pods, its Job's end, or what the coordinator says.
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { workerName } from '#protocol/names.ts'
import { text } from '../../objects/fields.ts'
import { PARTITION_LABEL } from '../../objects/labels.ts'
import type { KubernetesObject } from '../../objects/shapes.ts'
import type { Observed } from '../contract.ts'
import { holdingQueue } from '../lifecycle/queue-hold.ts'
import { renewalAt } from '../lifecycle/recreate.ts'
import { workersOf } from '../pods/worker-container.ts'
import { trainingOf } from '../training.ts'
import { jobFailure, latestProblem } from './pod-history.ts'

export interface MissingClient {
  readonly client: string
  readonly reason: string
}

/** Partitions without a running worker whose reason is known, in the order of the spec. */
export function missingClients(observed: Observed, spec: CompleteFederatedJobSpec): MissingClient[] {
  const jobs = observed.children.filter(({ kind }) => kind === 'Job')
  const workers = new Map(jobs.map((job) => [job.metadata.name, job]))
  const pods = Map.groupBy(observed.pods, ({ metadata }) => metadata.labels?.[PARTITION_LABEL])
  const absent = new Map(trainingOf(observed)?.clients?.absent?.map((client) => [client.name, client]))
  return spec.partitions.flatMap((partition) => {
    const { name } = partition
    const client = absent.get(name)
    const heard = client && [client.outcome, client.message ?? client.reason].filter(Boolean).join(', ')
    const own = {
      partition,
      job: workers.get(workerName(observed.job.metadata.name, name)),
      pods: pods.get(name) ?? [],
    }
    // The pod of a refused worker only shows that it was refused; the coordinator says why.
    const refused = client?.outcome === 'Refused' ? heard : undefined
    const reason = [refused, seenOf(own, observed, spec)].filter(Boolean).join('; ') || heard
    return reason === undefined ? [] : [{ client: name, reason }]
  })
}

interface Own {
  readonly partition: CompletePartitionSpec
  readonly job: KubernetesObject | undefined
  readonly pods: readonly KubernetesObject[]
}

/** What the objects of a partition show. */
function seenOf(
  { partition, job, pods }: Own,
  observed: Observed,
  spec: CompleteFederatedJobSpec,
): string | undefined {
  // The API server refuses such a partition; a job that was stored before that rule may have one.
  if (partition.external)
    return 'no client can join from outside the cluster in this version; remove external from the partition'
  const queue = job && holdingQueue(observed, job)
  if (queue !== undefined) return `queue ${queue} holds its Job`
  const failures = job?.status?.failed
  const problem = latestProblem(pods, {
    warnings: observed.warnings,
    job,
    now: observed.now,
    memoryLimit: (container) => memoryLimit(spec, partition, container),
    ...(typeof failures === 'number' ? { failures } : {}),
  })
  return (job && givenUp(job, problem)) ?? problem
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
