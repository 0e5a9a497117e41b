// What is known of a job in a cluster: itself, its pods, what is wrong with each. Who may not look at pods sees the job.
import { JOB_LABEL } from '#operator/reconcile/labels.ts'
import type { KubernetesObject, PodEvent, StoredJob } from '#operator/reconcile/objects.ts'
import { podProblem } from '#operator/reconcile/pod-problems.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Cluster } from './connect.ts'
import { EVENTS, PODS, type Question } from './questions.ts'

/** A pod, and what is wrong with it in the operator's own words. */
export interface PodFact {
  readonly pod: KubernetesObject
  readonly problem: string | undefined
}

export interface JobFacts {
  readonly job: StoredJob
  /** null where the caller may not look. */
  readonly pods: readonly PodFact[] | null
}

interface StoredEvent {
  readonly regarding?: { readonly kind?: string; readonly name?: string }
  readonly reason?: string
  readonly note?: string
}

/** Gathers them by reads of now. */
export async function gatherFacts(cluster: Cluster, job: StoredJob): Promise<JobFacts> {
  const { name, namespace } = job.metadata
  const query = { labelSelector: `${JOB_LABEL}=${name}` }
  const pods = await listIfAllowed<KubernetesObject>(cluster, { ...PODS, namespace, query })
  if (pods === null || pods.length === 0) return { job, pods: pods && [] }
  const ofPods = { fieldSelector: 'regarding.kind=Pod' }
  const stored = await listIfAllowed<StoredEvent>(cluster, { ...EVENTS, namespace, query: ofPods })
  const names = new Set(pods.map((pod) => pod.metadata.name))
  const events = (stored ?? []).flatMap((event) => podEvent(event, names))
  const now = Date.now()
  return {
    job,
    pods: pods.map((pod) => ({
      pod,
      problem: podProblem(pod, events, { now, memoryLimit: (container) => memoryLimit(pod, container) }),
    })),
  }
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

function podEvent({ regarding, reason, note }: StoredEvent, names: ReadonlySet<string>): PodEvent[] {
  const pod = regarding?.name ?? ''
  return names.has(pod) ? [{ pod, reason: reason ?? '', message: note ?? '' }] : []
}
