// Which partitions have no running worker, and why. The reason comes from the partition's pods, from the end of its
// Job, or from the coordinator's report. Pure.

import { isExternal } from '#protocol/external.ts'
import type {
  CompleteFederatedJobSpec,
  CompletePartitionSpec,
  TrainingStatus,
} from '#protocol/generated/federatedjob.ts'
import { CONTAINERS } from '#protocol/pods.ts'
import { text } from '../../objects/fields.ts'
import type { KubernetesObject, Warning } from '../../objects/shapes.ts'
import { clockTime } from '../../objects/times.ts'
import { holdingQueue } from '../lifecycle/queue-hold.ts'
import { recreatedAt } from '../lifecycle/recreate.ts'
import { workersOf } from '../pods/worker-container.ts'
import { missingSites } from './missing-sites.ts'
import { jobFailure, latestProblem } from './pod-history.ts'

export interface MissingClient {
  readonly client: string
  readonly reason: string
}

/** A partition, and its objects in the cluster. */
export interface PartitionObjects {
  readonly partition: CompletePartitionSpec
  readonly job: KubernetesObject | undefined
  readonly pods: readonly KubernetesObject[]
}

/** The facts about the whole job that reasons depend on. */
interface JobFacts {
  readonly spec: CompleteFederatedJobSpec
  readonly training: TrainingStatus | undefined
  readonly queue: string | undefined
  readonly warnings: readonly Warning[]
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Partitions without a running worker whose reason is known, in the order of the spec. */
export function missingClients(partitions: readonly PartitionObjects[], facts: JobFacts): MissingClient[] {
  const absent = new Map(facts.training?.clients?.absent?.map((client) => [client.name, client]))
  const sites = missingSites(facts)
  return partitions.flatMap((own) => {
    const { name } = own.partition
    const away = sites.get(name)
    if (isExternal(own.partition)) return away === undefined ? [] : [{ client: name, reason: away }]
    const client = absent.get(name)
    const reported = client && [client.outcome, client.message ?? client.reason].filter(Boolean).join(', ')
    // The pod of a rejected worker shows only that the coordinator rejected it; the coordinator reports why.
    const rejected = client?.outcome === 'Refused' ? reported : undefined
    const reason = [rejected, observedReason(own, facts)].filter(Boolean).join('; ') || reported
    return reason === undefined ? [] : [{ client: name, reason }]
  })
}

/** The reason that the objects of a partition show. */
function observedReason({ partition, job, pods }: PartitionObjects, facts: JobFacts): string | undefined {
  const { spec, queue, warnings, now } = facts
  const holding = job && holdingQueue(queue, job)
  if (holding !== undefined) return `queue ${holding} holds its Job`
  const failures = job?.status?.failed
  const problem = latestProblem(pods, {
    warnings,
    job,
    now,
    memoryLimit: (container) => memoryLimit(spec, partition, container),
    ...(typeof failures === 'number' ? { failures } : {}),
  })
  return (job && finalFailure(job, problem)) ?? problem
}

/** Why a Job creates no further pod, and when the operator recreates it. */
function finalFailure(job: KubernetesObject, problem: string | undefined): string | undefined {
  const failure = jobFailure(job)
  if (failure === undefined) return undefined
  const at = recreatedAt(job)
  const retry = at === undefined || at === 0 ? '' : `; retried at ${clockTime(at)}`
  return `${problem ?? failure}${retry}`
}

function memoryLimit(
  spec: CompleteFederatedJobSpec,
  partition: CompletePartitionSpec,
  container: string,
): string | undefined {
  if (container !== CONTAINERS.trainer) return undefined
  const limit = workersOf(spec, partition).resources.limits?.memory
  return limit === undefined ? undefined : text(String(limit))
}
