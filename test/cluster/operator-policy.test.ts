// The policy that holds the operator's account to the children of FederatedJobs, as a real API server decides it: RBAC alone lets this
// account write every Job, account, Role and network policy of the cluster. test/cluster/rbac.test.ts shows that the operator itself
// needs no more. With watchNamespaces the policy is the same.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { apiVersionOf, pathOf } from '#operator/kubernetes/client/resources.ts'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { clientAs, install } from './installed.ts'

const OWNER = {
  apiVersion: 'fedsam.dev/v1alpha1',
  kind: 'FederatedJob',
  name: 'brain',
  uid: 'u',
  controller: true,
}
const MANAGED = { 'app.kubernetes.io/managed-by': 'fedsam-operator' }
const OWNED = { labels: MANAGED, ownerReferences: [OWNER] }
const KINDS = ['ServiceAccount', 'Role', 'RoleBinding', 'NetworkPolicy', 'Job'] as const

const SAFE = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
const jobOf = (pod: object, container: object = {}) => ({
  spec: {
    template: {
      spec: {
        restartPolicy: 'Never',
        containers: [{ name: 'x', image: 'x', securityContext: SAFE, ...container }],
        ...pod,
      },
    },
  },
})
const FIELDS: Readonly<Record<string, object>> = {
  Role: { rules: [] },
  RoleBinding: { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'any' } },
  NetworkPolicy: { spec: { podSelector: {} } },
  Job: jobOf({}),
}

let cluster: Cluster
let operator: KubernetesClient
before(async () => {
  cluster = await startCluster()
  await cluster.server.kubectl(['create', 'namespace', 'team'])
  await install(cluster, 'system')
  // A binding needs its Role, which an operator may bind because it grants nothing.
  for (const namespace of ['team', 'system', 'kube-system'])
    await create('Role', { name: 'any' }, { client: cluster.client, namespace, query: '' })
  operator = await clientAs(cluster, 'system', 'fedsam')
  await until('the policy is in force', async () => {
    const error = await create('ServiceAccount', { labels: MANAGED }).then(
      () => undefined,
      (refusal: unknown) => refusal,
    )
    return isRefusal(/that a FederatedJob controls/)(error)
  })
})
after(async () => {
  operator?.close()
  await cluster?.stop()
})

const isRefusal =
  (words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof ApiError && error.status === 403 && words.test(error.message)

interface Given {
  readonly client?: KubernetesClient
  readonly namespace?: string
  readonly fields?: object
  readonly query?: string
}

function create(kind: string, metadata: object, given: Given = {}): Promise<unknown> {
  const { client = operator, namespace = 'team', fields = FIELDS[kind], query = '?dryRun=All' } = given
  const body = { apiVersion: apiVersionOf(kind), kind, metadata: { name: 'tried', ...metadata }, ...fields }
  return client.call({ method: 'POST', path: `${pathOf(kind, namespace)}${query}`, body })
}

for (const kind of KINDS) {
  test(`${kind}: a child of a FederatedJob can be written, and no other object`, async () => {
    await create(kind, OWNED)
    await assert.rejects(create(kind, { ownerReferences: [OWNER] }), isRefusal(/managed-by=fedsam-operator/))
    const owners = [{ ...OWNER, kind: 'Deployment', apiVersion: 'apps/v1' }]
    await assert.rejects(
      create(kind, { ...OWNED, ownerReferences: owners }),
      isRefusal(/FederatedJob controls/),
    )
    await assert.rejects(create(kind, { ...OWNED, ownerReferences: [] }), isRefusal(/FederatedJob controls/))
    for (const namespace of ['system', 'kube-system'])
      await assert.rejects(create(kind, OWNED, { namespace }), isRefusal(/in its own namespace/))
    // Somebody else's object is neither taken over nor deleted.
    await create(kind, { name: 'foreign' }, { client: cluster.client, query: '' })
    const path = pathOf(kind, 'team', 'foreign')
    const contentType = 'application/merge-patch+json'
    const taken = operator.call({ method: 'PATCH', path, body: { metadata: OWNED }, contentType })
    await assert.rejects(taken, isRefusal(/FederatedJob controls/))
    await assert.rejects(operator.call({ method: 'DELETE', path }), isRefusal(/FederatedJob controls/))
    await create(kind, { name: 'own', ...OWNED }, { client: cluster.client, query: '' })
    await operator.call({ method: 'DELETE', path: pathOf(kind, 'team', 'own') })
  })
}

test('no Job of the operator has host access or privileges', async () => {
  const refused = isRefusal(/no Job with host access or privileges/)
  for (const fields of [
    jobOf({ hostNetwork: true }),
    jobOf({ hostPID: true }),
    jobOf({ hostIPC: true }),
    jobOf({ volumes: [{ name: 'node', hostPath: { path: '/' } }] }),
    jobOf({}, { securityContext: { ...SAFE, capabilities: { add: ['NET_ADMIN'] } } }),
    jobOf({}, { securityContext: {} }),
    jobOf({
      initContainers: [
        { name: 'y', image: 'x', securityContext: { ...SAFE, allowPrivilegeEscalation: true } },
      ],
    }),
  ])
    await assert.rejects(create('Job', OWNED, { fields }), refused)
})

test('an administrator writes what they like', async () => {
  await create('Job', { name: 'free' }, { client: cluster.client, fields: jobOf({ hostNetwork: true }) })
})
