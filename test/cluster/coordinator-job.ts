// A FederatedJob with its accounts as the operator makes them, for tests of the coordinator against a real API server.

import type { Settings } from '#operator/objects/settings.ts'
import type { StoredJob } from '#operator/objects/shapes.ts'
import { renderChildren } from '#operator/reconcile/children.ts'
import { completeSpec } from '#protocol/defaults.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { coordinatorName } from '#protocol/names.ts'
import type { KubernetesServer } from '#scripts/kubernetes/server.ts'
import { type ApiAccess, openKubernetes } from '#transport/kubernetes/api.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { CERTIFIER, TRUST } from '../given/signed.ts'
import type { Cluster } from './cluster.ts'

export const jobsPath = (namespace: string): string =>
  `/apis/fedsam.dev/v1alpha1/namespaces/${namespace}/federatedjobs`

/** Creates the job, in a namespace of its own. */
export async function createJob(
  { client }: Cluster,
  namespace: string,
  name: string,
  spec: object,
): Promise<StoredJob & { readonly spec: FederatedJobSpec }> {
  const body = { metadata: { name: namespace } }
  await client.call({ method: 'POST', path: '/api/v1/namespaces', body }).catch(() => {})
  const job = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name }, spec }
  return client.call({ method: 'POST', path: jobsPath(namespace), body: job })
}

export function readJob({ client }: Cluster, namespace: string, name: string): Promise<StoredJob> {
  return client.call({ method: 'GET', path: `${jobsPath(namespace)}/${name}` })
}

export async function editJob(
  cluster: Cluster,
  namespace: string,
  name: string,
  body: object,
): Promise<void> {
  const path = `${jobsPath(namespace)}/${name}`
  await cluster.client.call({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })
}

/** Images are not looked at: nothing runs as a pod. */
const SETTINGS: Settings = {
  images: { coordinator: 'c:1', worker: 'w:1', workerGpu: 'g:1' },
  pullPolicy: 'IfNotPresent',
  pullSecrets: [],
  certifier: CERTIFIER,
  trust: TRUST,
}
const RIGHTS = ['ServiceAccount', 'Role', 'RoleBinding']

/** The coordinator's account with the rights that the operator gives it, and a token of it. */
export async function coordinatorToken(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const { server } = cluster
  const job = await readJob(cluster, namespace, name)
  const account = coordinatorName(name)
  const children = renderChildren(job, completeSpec(job.spec), SETTINGS, {
    coordinator: false,
    workers: false,
  })
  const items = children.filter(({ kind, metadata }) => RIGHTS.includes(kind) && metadata.name === account)
  const list = { apiVersion: 'v1', kind: 'List', items }
  await server.kubectl(['apply', '-f', '-'], JSON.stringify(list))
  return accountToken(server, namespace, account)
}

/** A token as the kubelet projects it into a pod; of the API server's own audience where none is named. */
export async function accountToken(
  server: KubernetesServer,
  namespace: string,
  account: string,
  audience?: string,
): Promise<string> {
  const create = ['create', 'token', account, '-n', namespace]
  return (await server.kubectl([...create, ...(audience ? ['--audience', audience] : [])])).trim()
}

/** A client as that account. */
export function clientOf(server: KubernetesServer, token: string): KubernetesClient {
  const access: ApiAccess = {
    server: server.url,
    secure: async () => ({ ca: server.ca, headers: { authorization: `Bearer ${token}` } }),
  }
  return openKubernetes(access)
}
