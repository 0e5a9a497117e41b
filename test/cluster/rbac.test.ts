// Used = granted: the operator runs as the chart's account against a real API server that notes every call; what it did, and what
// its roles allow, must be the same, verb by verb. For the whole cluster with a ClusterRole, and with Roles in two namespaces.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Rendered, Rule } from '../chart/helm.ts'
import { until } from '../until.ts'
import { AUDITED, allowedBy, doneBy } from './audited.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { liveThrough } from './every-verb.ts'
import { install, userOf, withOperator } from './installed.ts'

/** As on OpenShift: a user who sets blockOwnerDeletion needs the right to set finalizers of the owner. */
const OWNERS = { 'enable-admission-plugins': 'OwnerReferencesPermissionEnforcement' }
/** That plugin asks for it, and no call shows it; its own test is below. */
const ASKED_BY_OWNERS = 'fedsam.dev/federatedjobs/finalizers update'

let cluster: Cluster
before(async () => {
  cluster = await startCluster({ ...AUDITED, flags: { ...AUDITED.flags, ...OWNERS } })
})
after(() => cluster?.stop())

const sorted = (what: Iterable<string>): string[] => [...new Set(what)].sort()

/** Rules that are bound to the release's operator, by the namespace that they hold in; empty: in all. */
function rulesOf(installed: readonly Rendered[], namespace = ''): readonly Rule[] {
  const bindings = installed.filter(
    ({ kind, metadata }) =>
      kind === (namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding') &&
      (metadata.namespace ?? '') === namespace,
  )
  return bindings.flatMap(
    ({ roleRef }) =>
      installed.find(
        ({ kind, metadata }) =>
          kind === roleRef?.kind &&
          metadata.name === roleRef.name &&
          (metadata.namespace ?? '') === (kind === 'Role' ? namespace : ''),
      )?.rules ?? [],
  )
}

/** What the operator hands on to coordinators, and therefore must have, by the Role that it made. */
async function handedOn(namespace: string): Promise<string[]> {
  const role = await cluster.server.kubectl([
    '-n',
    namespace,
    'get',
    'role',
    'brain-coordinator',
    '-o',
    'json',
  ])
  return allowedBy((JSON.parse(role) as { rules: Rule[] }).rules)
}

for (const [system, watched] of [
  ['everywhere', []],
  ['two-only', ['team-b', 'team-c']],
] as const) {
  test(`used = granted: ${system}`, async () => {
    const flags = watched.length === 0 ? [] : ['--set', `watchNamespaces={${watched.join(',')}}`]
    const teams = watched.length === 0 ? ['team-a'] : watched
    for (const team of teams) await cluster.server.kubectl(['create', 'namespace', team])
    const installed = await install(cluster, system, ...flags)
    const life = withOperator(cluster, { namespace: system, watched }, async () => {
      await Promise.all(teams.map((team) => liveThrough(cluster.client, team)))
    })
    const failure = await life.catch((error: unknown) => error)
    const done = await doneBy(cluster.folder, userOf(system, 'fedsam'))
    const refused = done.filter(({ status }) => status === 403)
    // First, because a refusal explains why the job did not live on.
    assert.deepEqual(sorted(refused.map(({ uri }) => uri)), [], 'used, and not allowed')
    if (failure !== undefined) throw failure
    const scopes = [...(watched.length === 0 ? [''] : watched), system]
    for (const scope of scopes) {
      const used = done.filter(({ namespace }) => (scope === '' ? namespace !== system : namespace === scope))
      const needed =
        scope === system ? [] : [...(await handedOn(scope === '' ? teams[0]! : scope)), ASKED_BY_OWNERS]
      assert.deepEqual(
        sorted(allowedBy(rulesOf(installed, scope))),
        sorted([...used.map(({ what }) => what), ...needed]),
        `in ${scope || 'the cluster'}: allowed, and used`,
      )
    }
  })
}

test('without the rule on finalizers an API server that enforces owner references refuses a child', async () => {
  const { kubectl } = cluster.server
  const uid = await kubectl(['-n', 'team-a', 'get', 'fj', 'brain', '-o', 'jsonpath={.metadata.uid}'])
  const owner = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    name: 'brain',
    uid,
    controller: true,
    blockOwnerDeletion: true,
  }
  const metadata = { name: 'owned', namespace: 'team-a', ownerReferences: [owner] }
  const child = JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const create = (): Promise<string> =>
    kubectl(['create', '--dry-run=server', '-f', '-', `--as=${userOf('everywhere', 'fedsam')}`], child)
  await create()
  const role = JSON.parse(await kubectl(['get', 'clusterrole', 'fedsam', '-o', 'json'])) as Rendered
  const rules = role.rules?.filter(({ resources }) => !resources.includes('federatedjobs/finalizers'))
  assert.equal(rules?.length, (role.rules?.length ?? 0) - 1)
  await kubectl(['patch', 'clusterrole', 'fedsam', '--type=merge', '-p', JSON.stringify({ rules })])
  let said = ''
  await until('the API server refuses the operator without the right', async () => {
    said = await create().then(
      () => '',
      (error: Error) => error.message,
    )
    return said !== ''
  })
  assert.match(said, /cannot set blockOwnerDeletion/)
})
