// The cluster's own roles view, edit and admin with the chart's part in them, as a real controller aggregates them: who reads a
// namespace reads its FederatedJobs, who edits it makes and ends them, and nobody of these writes what the operator writes.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { install } from './installed.ts'

const TEAM = 'team'
const PEOPLE = { view: 'reader', edit: 'editor', admin: 'owner' } as const

let cluster: Cluster
before(async () => {
  cluster = await startCluster({ controllers: true })
  await install(cluster, 'system')
  const { kubectl } = cluster.server
  await kubectl(['create', 'namespace', TEAM])
  for (const [role, person] of Object.entries(PEOPLE))
    await kubectl(['-n', TEAM, 'create', 'rolebinding', person, `--clusterrole=${role}`, `--user=${person}`])
})
after(() => cluster?.stop())

async function may(user: string, verb: string, subresource = ''): Promise<boolean> {
  const resourceAttributes = {
    namespace: TEAM,
    group: 'fedsam.dev',
    resource: 'federatedjobs',
    subresource,
    verb,
  }
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, resourceAttributes },
  }
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
  const review = { method: 'POST', path, body } as const
  return (await cluster.client.call<{ status: { allowed: boolean } }>(review)).status.allowed
}

async function aggregated(): Promise<void> {
  await until('the controller aggregates the roles', async () => {
    return (await may(PEOPLE.view, 'get')) && (await may(PEOPLE.admin, 'delete'))
  })
}

test('view reads; edit and admin make, change and end; none writes a status', async () => {
  await aggregated()
  const reading = ['get', 'list', 'watch']
  const writing = ['create', 'update', 'patch', 'delete', 'deletecollection']
  for (const [role, person] of Object.entries(PEOPLE)) {
    for (const verb of reading) {
      assert.equal(await may(person, verb), true, `${role} ${verb}`)
      assert.equal(await may(person, verb, 'status'), true, `${role} ${verb} status`)
    }
    for (const verb of writing) {
      assert.equal(await may(person, verb), role !== 'view', `${role} ${verb}`)
      assert.equal(await may(person, verb, 'status'), false, `${role} ${verb} status`)
    }
  }
  assert.equal(await may('stranger', 'get'), false)
})
