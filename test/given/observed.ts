// For tests of reconciling: a FederatedJob as stored, what is observed of it, and a cluster in memory in which one pass after the
// other is carried out. The cluster knows which writer owns a field, as the API server does. Tests alone import it.
import assert from 'node:assert/strict'
import type { Settings } from '#operator/objects/settings.ts'
import type { Json, KubernetesObject, StoredJob } from '#operator/objects/shapes.ts'
import type { ChildWrite, Desired, Observed } from '#operator/reconcile/contract.ts'
import { reconcile } from '#operator/reconcile/reconcile.ts'
import type {
  FederatedJobSpec,
  FederatedJobStatus,
  TrainingStatus,
} from '#protocol/generated/federatedjob.ts'
import { CERTIFIER, TRUST } from './signed.ts'

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
  certifier: CERTIFIER,
  trust: TRUST,
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
    else next.set(keyOf(object), serverSideApplied(before, object))
  }
  return [...next.values()]
}

/**
 * Server-side apply by our manager, forced: fields of the object take its values. A field that our manager applied before and does
 * not apply now is removed where no other manager owns it; the API server then fills in the default.
 */
function serverSideApplied(before: KubernetesObject, object: KubernetesObject): KubernetesObject {
  const { kind, apiVersion, metadata, ...applied } = object
  const { uid: _, ...applying } = metadata
  const wanted = leavesOf({ metadata: applying, ...applied })
  const stored = leavesOf(before)
  const owned = (before.metadata as { owned?: readonly string[] }).owned ?? []
  const dropped = owned.filter((path) => !wanted.has(path))
  // Another manager that set the same value owns the field too, and keeps it.
  const taken = [...wanted].filter(
    ([path, value]) => owned.includes(path) || !isSame(stored.get(path), value),
  )
  const result = structuredClone(before) as Json & KubernetesObject
  for (const path of dropped) setAt(result, path, undefined)
  for (const [path, value] of wanted) setAt(result, path, value)
  if (kind === 'Job') setAt(result, '/spec/suspend', result.spec?.suspend ?? false)
  return {
    ...result,
    kind,
    apiVersion,
    metadata: { ...result.metadata, owned: taken.map(([path]) => path) } as never,
  }
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')
const unescaped = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~')

/** Every value that is no map, by its JSON pointer. */
function leavesOf(value: unknown, path = ''): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return new Map([[path, value]])
  return new Map(
    Object.entries(value).flatMap(([key, part]) => [...leavesOf(part, `${path}/${escaped(key)}`)]),
  )
}

/** Sets the value at a JSON pointer, or removes it. */
function setAt(object: object, path: string, value: unknown): void {
  const parts = path.split('/').slice(1).map(unescaped)
  const last = parts.pop()!
  let map = object as Record<string, unknown>
  for (const part of parts) {
    map[part] ??= {}
    map = map[part] as Record<string, unknown>
  }
  if (value === undefined) delete map[last]
  else map[last] = value
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
