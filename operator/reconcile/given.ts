// For tests of reconciling: a FederatedJob as stored, what is observed of it, and a cluster in memory in which one pass after the
// other is carried out. Tests alone import it.
import assert from 'node:assert/strict'
import type {
  FederatedJobSpec,
  FederatedJobStatus,
  TrainingStatus,
} from '#protocol/generated/federatedjob.ts'
import type { ChildWrite, Desired, KubernetesObject, Observed, Settings, StoredJob } from './objects.ts'
import { reconcile } from './reconcile.ts'

export const NOW = Date.parse('2026-11-24T08:00:00Z')
export const SPEC: FederatedJobSpec = {
  partitions: [{ name: 'a' }, { name: 'b' }],
  storage: { s3: {} },
  messaging: { nats: {} },
}

export function jobWith(spec: Partial<FederatedJobSpec> = {}, metadata: object = {}): StoredJob {
  return {
    metadata: { name: 'brain', namespace: 'team', uid: 'u1', generation: 1, ...metadata },
    spec: { ...SPEC, ...spec },
  }
}

/** The pod of a partition's Job among the writes, loosely typed: tests look where they please. */
// biome-ignore lint/suspicious/noExplicitAny: a rendered template is plain JSON
export function templateOf({ writes }: Desired, name: string): Record<string, any> {
  const found = writes.find(({ object }) => keyOf(object) === name)?.object.spec?.template
  assert.ok(found)
  return found as Record<string, unknown>
}

export const SETTINGS: Settings = {
  images: { coordinator: 'c:1', worker: 'w:1', workerGpu: 'g:1' },
  pullPolicy: 'IfNotPresent',
  pullSecrets: [],
}

export function observe(job: StoredJob, rest: Partial<Observed> = {}): Observed {
  return { job, children: [], pods: [], warnings: [], now: NOW, settings: SETTINGS, ...rest }
}

export const keyOf = ({ kind, metadata }: KubernetesObject): string => `${kind}/${metadata.name}`
export const writesOf = ({ writes }: Desired): string[] =>
  writes.map(({ kind, object }) => `${kind} ${keyOf(object)}`)

/** What the cluster holds after the writes. */
export function applied(
  children: readonly KubernetesObject[],
  writes: readonly ChildWrite[],
): KubernetesObject[] {
  const next = new Map(children.map((child) => [keyOf(child), child]))
  for (const { kind, object } of writes) {
    const before = next.get(keyOf(object))
    if (kind === 'Delete') next.delete(keyOf(object))
    else if (kind === 'Create' || !before) next.set(keyOf(object), structuredClone(object))
    else {
      const metadata = { ...before.metadata, ...object.metadata }
      next.set(keyOf(object), { ...before, ...object, metadata, spec: { ...before.spec, ...object.spec } })
    }
  }
  return [...next.values()]
}

/** One pass carried out. */
export function after(observed: Observed): Observed {
  const { writes, status } = reconcile(observed)
  const training = observed.job.status?.training
  const stored = { ...status, ...(training ? { training } : {}) } as FederatedJobStatus
  const job = status ? { ...observed.job, status: stored } : observed.job
  return { ...observed, job, children: applied(observed.children, writes) }
}

export function training(state: TrainingStatus['state'], more: Partial<TrainingStatus> = {}): TrainingStatus {
  return { uid: 'u1', epoch: 1, round: 1, attempt: 1, ...(state ? { state } : {}), ...more }
}

export function withTraining(job: StoredJob, value: TrainingStatus): StoredJob {
  return { ...job, status: { ...job.status, training: value } }
}

export const truths = ({ status }: Desired): Record<string, string> =>
  Object.fromEntries((status?.conditions ?? []).map((c) => [c.type, `${c.status} ${c.reason}`]))

export const running = after(observe(jobWith()))

export function workerPod(partition: string, status: object): KubernetesObject {
  const labels = { 'fedsam.dev/role': 'worker', 'fedsam.dev/partition': partition, 'fedsam.dev/job': 'brain' }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `brain-worker-${partition}-x`, namespace: 'team', labels },
    status: { ...status },
  }
}
