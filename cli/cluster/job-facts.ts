// What is known of a job in a cluster: itself, its pods, and what events say about them. Who may not look at pods sees the job.
import { JOB_LABEL } from '#operator/reconcile/labels.ts'
import type { KubernetesObject, PodEvent, StoredJob } from '#operator/reconcile/objects.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Cluster } from './connect.ts'
import { EVENTS, PODS, type Question } from './questions.ts'

export interface JobFacts {
  readonly job: StoredJob
  /** null where the caller may not look. */
  readonly pods: readonly KubernetesObject[] | null
  readonly events: readonly PodEvent[]
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
  if (pods === null || pods.length === 0) return { job, pods, events: [] }
  const ofPods = { fieldSelector: 'regarding.kind=Pod' }
  const events = await listIfAllowed<StoredEvent>(cluster, { ...EVENTS, namespace, query: ofPods })
  const names = new Set(pods.map(({ metadata }) => metadata.name))
  return { job, pods, events: (events ?? []).flatMap((event) => podEvent(event, names)) }
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
