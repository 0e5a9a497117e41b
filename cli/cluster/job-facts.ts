// Gathers the facts of a job in a cluster: the job, its pods with their problems, and the pods that cannot be created. A caller
// without the right to list pods still sees the job.

import type { KubernetesObject, StoredJob, Warning } from '#operator/objects/shapes.ts'
import { warningOf } from '#operator/objects/warnings.ts'
import { creationProblem } from '#operator/reconcile/problems/creation-problem.ts'
import { podProblem } from '#operator/reconcile/problems/pod-problems.ts'
import { FedsamError } from '#protocol/errors.ts'
import { JOB_LABEL, PARTITION_LABEL } from '#protocol/labels.ts'
import type { Cluster } from './connect.ts'
import { EVENTS, JOBS, PODS, type Question } from './questions.ts'

/** A pod with its problem, in the operator's words. */
export interface PodFact {
  readonly pod: KubernetesObject
  readonly problem: string | undefined
}

/** A pod that cannot be created, with the reason. */
export interface UncreatedPod {
  /** The name of its Job. */
  readonly job: string
  /** Undefined for the coordinator. */
  readonly partition: string | undefined
  readonly problem: string
}

export interface JobFacts {
  readonly job: StoredJob
  /** Null where the caller has no right to list them. */
  readonly pods: readonly PodFact[] | null
  /** Empty where the caller has no right to list Jobs or events. */
  readonly uncreated: readonly UncreatedPod[]
}

/** Reads the facts from the API server. */
export async function gatherFacts(cluster: Cluster, job: StoredJob): Promise<JobFacts> {
  const { name, namespace } = job.metadata
  const query = { labelSelector: `${JOB_LABEL}=${name}` }
  const pods = await listIfAllowed<KubernetesObject>(cluster, { ...PODS, namespace, query })
  if (pods === null) return { job, pods, uncreated: [] }
  const jobs = (await listIfAllowed<KubernetesObject>(cluster, { ...JOBS, namespace, query })) ?? []
  const ofWarnings = { fieldSelector: 'type=Warning' }
  const events = (await listIfAllowed<unknown>(cluster, { ...EVENTS, namespace, query: ofWarnings })) ?? []
  const warnings = events.map(warningOf)
  const now = Date.now()
  return {
    job,
    pods: pods.map((pod) => ({
      pod,
      problem: podProblem(pod, warnings, { now, memoryLimit: (container) => memoryLimit(pod, container) }),
    })),
    uncreated: jobs.flatMap((child) => uncreatedPod(child, pods, warnings)),
  }
}

function uncreatedPod(
  job: KubernetesObject,
  pods: readonly KubernetesObject[],
  warnings: readonly Warning[],
): UncreatedPod[] {
  const { name, labels } = job.metadata
  const partition = labels?.[PARTITION_LABEL]
  const own = pods.filter(({ metadata }) => metadata.labels?.[PARTITION_LABEL] === partition)
  const problem = creationProblem(job, own, warnings)
  return problem === undefined ? [] : [{ job: name, partition, problem }]
}

interface ContainerSpec {
  readonly name: string
  readonly resources?: { readonly limits?: { readonly memory?: string } }
}

function memoryLimit({ spec }: KubernetesObject, name: string): string | undefined {
  const { initContainers = [], containers = [] } = (spec ?? {}) as Record<
    string,
    readonly ContainerSpec[] | undefined
  >
  return [...initContainers, ...containers].find((container) => container.name === name)?.resources?.limits
    ?.memory
}

async function listIfAllowed<T>(cluster: Cluster, question: Question): Promise<T[] | null> {
  try {
    return (await cluster.ask<{ items: T[] }>(question)).items
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'Forbidden') return null
    throw error
  }
}
