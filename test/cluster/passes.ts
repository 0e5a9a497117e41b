// Passes of the operator against a real API server, one after the other, at a time that the test says; and clients that count the
// writes, or die at one.
import assert from 'node:assert/strict'
import { act } from '#operator/kubernetes/pass/act.ts'
import { observe } from '#operator/kubernetes/pass/observe.ts'
import type { Settings } from '#operator/objects/settings.ts'
import type { KubernetesObject, StoredJob } from '#operator/objects/shapes.ts'
import type { Observed } from '#operator/reconcile/contract.ts'
import { reconcile } from '#operator/reconcile/reconcile.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { Call, KubernetesClient } from '#transport/kubernetes/calls.ts'
import { CERTIFIER, TRUST } from '../given/signed.ts'
import { type Cluster, startCluster } from './cluster.ts'

const SETTINGS: Settings = {
  images: { coordinator: 'c:1', worker: 'w:1', workerGpu: 'g:1' },
  pullPolicy: 'IfNotPresent',
  pullSecrets: [],
  certifier: CERTIFIER,
  trust: TRUST,
}
export const NOW = Date.parse('2026-11-24T08:00:00Z')
/** One of everything that a pod may name. */
export const SPEC = {
  partitions: [
    { name: 'a', source: { persistentVolumeClaim: { claimName: 'scans' } } },
    { name: 'b', workers: { accelerator: { count: 2, whenUnseen: 'UseCPU' } } },
    { name: 's', source: { s3: { uri: 's3://site-s/scans', credentialsSecretName: 'reader' } } },
  ],
  storage: { s3: { bucket: 'models', credentialsSecretName: 'store', caBundleConfigMapName: 'ca' } },
  messaging: { nats: { credentialsSecretName: 'bus', tlsSecretName: 'tls' } },
  workers: { resources: { requests: { cpu: 1, memory: '1Gi' } } },
}
export const JOBS = (namespace: string): string =>
  `/apis/fedsam.dev/v1alpha1/namespaces/${namespace}/federatedjobs`

/** A cluster, and the client that passes go through. */
export type Bench = Cluster

export const openBench = startCluster

/** A namespace of the restricted Pod Security standard with the job `brain` in it. */
export async function createJob(
  { client }: Bench,
  namespace: string,
  spec: object = SPEC,
): Promise<StoredJob> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  const body = { metadata: { name: namespace, labels } }
  await client.call({ method: 'POST', path: '/api/v1/namespaces', body })
  const job = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name: 'brain' }, spec }
  return client.call({ method: 'POST', path: JOBS(namespace), body: job })
}

export async function patch({ client }: Bench, namespace: string, body: object): Promise<void> {
  const path = `${JOBS(namespace)}/brain`
  await client.call({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })
}

/** What the coordinator says, as it says it. */
export async function train({ client }: Bench, namespace: string, training: object): Promise<void> {
  const body = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'brain' },
    status: { training },
  }
  const path = `${JOBS(namespace)}/brain/status?fieldManager=fedsam-coordinator`
  await client.call({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' })
}

export function read({ client }: Bench, namespace: string, now = NOW): Promise<Observed | undefined> {
  return observe(client, { namespace, name: 'brain' }, { settings: SETTINGS, now })
}

/** One pass; false where the job is gone. */
export async function pass(bench: Bench, namespace: string, now = NOW): Promise<boolean> {
  const observed = await read(bench, namespace, now)
  if (observed) await carryOut(bench, observed)
  return observed !== undefined
}

/** Acts on what was observed, now or long ago. */
export async function carryOut({ client }: Bench, observed: Observed): Promise<void> {
  await act(client, observed.job, reconcile(observed), new Date(observed.now))
}

/** Passes until nothing is written any more; fails where that does not come. */
export async function settle(bench: Bench, namespace: string, now = NOW): Promise<void> {
  for (let passes = 0; passes < 5; passes++) {
    const last = recorded(bench)
    if (!(await pass(last, namespace, now)) || last.writes.length === 0) return
  }
  assert.fail(`${namespace} does not come to rest`)
}

interface Recorded extends Bench {
  readonly writes: readonly string[]
}

/** A bench that counts writes. It can die at one of them, before or after the API server's answer. */
export function recorded(
  bench: Bench,
  dies: { readonly at: number; readonly answered: boolean } = { at: 0, answered: false },
): Recorded {
  const writes: string[] = []
  const call = async <T>(request: Call): Promise<T> => {
    if (request.method === 'GET') return bench.client.call<T>(request)
    writes.push(`${request.method} ${request.path.split('?')[0]}`)
    if (writes.length === dies.at && !dies.answered) throw new Error('killed before the write')
    const result = await bench.client.call<T>(request)
    if (writes.length === dies.at) throw new Error('killed after the write')
    return result
  }
  const client: KubernetesClient = { ...bench.client, call }
  return { ...bench, client, writes }
}

/** What two namespaces must agree on: children as they are specified, and conditions; of a job that is gone, its children. */
export async function endState(bench: Bench, namespace: string, now = NOW): Promise<unknown> {
  const observed = await read(bench, namespace, now)
  if (!observed) return { children: await namesIn(bench, namespace) }
  const { children, job } = observed
  const conditions = job.status?.conditions?.map(
    ({ type, status, reason, message }) => `${type} ${status} ${reason} ${message}`,
  )
  return { children: essenceOf(children, job), conditions: conditions?.sort() }
}

/** Children without what the API server adds; a namespace and a uid are anybody's. */
export function essenceOf(children: readonly KubernetesObject[], { metadata }: StoredJob): string[] {
  const essence = ({
    kind,
    metadata: { name, labels, annotations },
    spec,
    rules,
    subjects,
  }: KubernetesObject) =>
    canonicalJson({ kind, name, labels, annotations, spec: withoutSelector(spec), rules, subjects })
  return children
    .map((child) =>
      essence(child).replaceAll(metadata.uid, 'UID').replaceAll(metadata.namespace, 'NAMESPACE'),
    )
    .sort()
}

/** The API server gives each Job a selector and labels of its own uid; round.noProgressSeconds holds for pods made later. */
function withoutSelector(spec: KubernetesObject['spec']): unknown {
  const { selector: _, template, ...others } = (spec ?? {}) as Record<string, unknown>
  if (template === undefined) return others
  const text = canonicalJson((template as { spec: unknown }).spec)
  return [others, text.replace(/("FEDSAM_NO_PROGRESS_SECONDS","value":)"\d+"/, '$1""')]
}

async function namesIn({ client }: Bench, namespace: string): Promise<string[]> {
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const { items } = await client.call<{ items: KubernetesObject[] }>({ method: 'GET', path })
  return items.map(({ metadata }) => metadata.name)
}

export const named = (children: readonly KubernetesObject[], name: string): KubernetesObject | undefined =>
  children.find(({ kind, metadata }) => kind === 'Job' && metadata.name === name)
