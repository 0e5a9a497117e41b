// A FederatedJob with its accounts as the operator makes them, for tests of the coordinator against a real API server.
import type { StoredJob } from '#operator/reconcile/objects.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { coordinatorName } from '#protocol/names.ts'
import type { KubernetesServer } from '#scripts/kubernetes/server.ts'
import { type ApiAccess, type KubernetesClient, openKubernetes } from '#transport/kubernetes.ts'
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

/** The coordinator's account, its rights (operator/reconcile/children.ts), and a token of it. */
export async function coordinatorToken(
  { server }: Cluster,
  namespace: string,
  name: string,
): Promise<string> {
  const account = coordinatorName(name)
  const meta = { name: account, namespace }
  const rules = [
    {
      apiGroups: ['fedsam.dev'],
      resources: ['federatedjobs'],
      resourceNames: [name],
      verbs: ['get', 'watch'],
    },
    {
      apiGroups: ['fedsam.dev'],
      resources: ['federatedjobs/status'],
      resourceNames: [name],
      verbs: ['patch'],
    },
  ]
  const rbac = 'rbac.authorization.k8s.io'
  const objects = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: meta, rules },
    {
      ...{ apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata: meta },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
      roleRef: { apiGroup: rbac, kind: 'Role', name: account },
    },
  ]
  await server.kubectl(['apply', '-f', '-'], objects.map((object) => JSON.stringify(object)).join('\n---\n'))
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
