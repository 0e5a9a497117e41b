// The chart as it is installed, for tests against a real API server: its objects applied as Helm renders them, the operator as a
// program under the account that they give it, and clients of accounts. No node: nothing of it runs as a pod.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openKubernetes, podAccess } from '#transport/kubernetes/api.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { type Rendered, render } from '../chart/helm.ts'
import { ROOT } from '../cli/fedsam.ts'
import { until } from '../until.ts'
import type { Cluster } from './cluster.ts'
import { withOperatorProcess } from './operator-process.ts'

/** Kinds that work without a controller. A Deployment would start nothing here. */
const KINDS = [
  'ServiceAccount',
  'Role',
  'RoleBinding',
  'ClusterRole',
  'ClusterRoleBinding',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]

/** Applies what the chart renders as a release `fedsam` of this namespace, which is made. `flags` are Helm's. */
export async function install(
  { server }: Cluster,
  namespace: string,
  ...flags: readonly string[]
): Promise<Rendered[]> {
  const rendered = await render('--namespace', namespace, ...flags)
  const items = rendered.filter(({ kind }) => KINDS.includes(kind))
  const place = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  const list = { apiVersion: 'v1', kind: 'List', items: [place, ...items] }
  await server.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(list))
  return items
}

export const userOf = (namespace: string, account: string): string =>
  `system:serviceaccount:${namespace}:${account}`

/** A folder with what a pod of this account finds, and the variables that go with it. */
export async function accountOf({ server, folder }: Cluster, namespace: string, account: string) {
  const files = join(folder, `account-${namespace}-${account}`)
  await mkdir(files, { recursive: true })
  const token = await server.kubectl(['-n', namespace, 'create', 'token', account])
  await writeFile(join(files, 'token'), token)
  await writeFile(join(files, 'ca.crt'), server.ca)
  const { hostname, port } = new URL(server.url)
  return { files, env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port } }
}

/** A client that asks as this account, as a pod of it would. */
export async function clientAs(
  cluster: Cluster,
  namespace: string,
  account: string,
): Promise<KubernetesClient> {
  const { files, env } = await accountOf(cluster, namespace, account)
  return openKubernetes(podAccess(env, files))
}

/**
 * Waits until the API server's own watches show the roles of a user: a program that asks earlier would be refused.
 * `what` is a verb, a group and a resource: `create events.k8s.io/events`.
 */
export async function untilAllowed(
  { client }: Cluster,
  user: string,
  namespace: string,
  what: string,
): Promise<void> {
  const [verb, group, resource] = what.split(/[ /]/)
  const resourceAttributes = { namespace, group, resource, verb }
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, resourceAttributes },
  }
  const review = { method: 'POST', path: '/apis/authorization.k8s.io/v1/subjectaccessreviews', body } as const
  await until(`${user} may ${what} in ${namespace || 'every namespace'}`, async () => {
    return (await client.call<{ status: { allowed: boolean } }>(review)).status.allowed
  })
}

/** Runs the operator as the installed account, as its pod would, while `body` does; rejects where it does not end as asked. */
export async function withOperator(
  cluster: Cluster,
  { namespace, watched }: { readonly namespace: string; readonly watched: readonly string[] },
  body: () => Promise<void>,
): Promise<void> {
  const account = await accountOf(cluster, namespace, 'fedsam')
  const scopes = watched.length === 0 ? [''] : watched
  await untilAllowed(cluster, userOf(namespace, 'fedsam'), namespace, 'create coordination.k8s.io/leases')
  for (const scope of scopes)
    await untilAllowed(cluster, userOf(namespace, 'fedsam'), scope, 'create events.k8s.io/events')
  const env = {
    ...account.env,
    KUBECONFIG: '', // as in a pod
    FEDSAM_ACCOUNT_FOLDER: account.files,
    FEDSAM_WATCH_NAMESPACES: watched.join(','),
    FEDSAM_LEADER_ELECTION: 'true',
    POD_NAME: 'operator',
    POD_NAMESPACE: namespace,
  }
  await withOperatorProcess({ root: ROOT, tag: '1', env }, body)
}
