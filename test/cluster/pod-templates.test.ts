// podTemplates as a real API server enforces it, by the chart's policy that is generated from the operator's table: each template that
// Restricted refuses is refused at `kubectl apply`, to everybody, and the message names the field in the words of the operator's own
// check. Any admits them, Off refuses every template. A job that was stored before can be paused and deleted.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ApiError } from '#transport/kubernetes/calls.ts'
import { ALLOWED, REFUSED, type Spec } from '../given/template-cases.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { install } from './installed.ts'

const JOBS = '/apis/fedsam.dev/v1alpha1/namespaces/default/federatedjobs'
const HOST_NETWORK: Spec = { workers: { template: { spec: { hostNetwork: true } } } }

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
  await store('stored', HOST_NETWORK)
  const partitions = many(1000, (name) => ({ name, workers: { template: { spec: { hostPID: true } } } }))
  await store('many', { partitions })
  await install(cluster, 'system')
  await until('the policy is in force', async () => (await sayOf(HOST_NETWORK)) !== '')
})
after(() => cluster?.stop())

const many = (count: number, of: (name: string) => object): object[] =>
  Array.from({ length: count }, (_, i) => of(`site-${i}`))

const bodyOf = (name: string, spec: object) => ({
  apiVersion: 'fedsam.dev/v1alpha1',
  kind: 'FederatedJob',
  metadata: { name },
  spec: { partitions: [{ name: 'a' }, { name: 'b' }], ...spec },
})

function store(name: string, spec: object, query = ''): Promise<unknown> {
  return cluster.client.call({ method: 'POST', path: `${JOBS}${query}`, body: bodyOf(name, spec) })
}

/** What the API server says against a new job; empty where it admits the job. */
async function sayOf(spec: object): Promise<string> {
  try {
    await store('tried', spec, '?dryRun=All')
    return ''
  } catch (error) {
    assert.ok(error instanceof ApiError && error.status === 422, String(error))
    return error.message
  }
}

function merge(name: string, body: object): Promise<unknown> {
  return cluster.client.call({
    method: 'PATCH',
    path: `${JOBS}/${name}`,
    body,
    contentType: 'application/merge-patch+json',
  })
}

for (const { says, spec } of REFUSED) {
  test(`refused at apply: ${says}`, async () => {
    const said = await sayOf(spec)
    assert.ok(said.includes(`denied request: ${says}`), said)
    assert.match(said, /Remove it, or ask the administrator to change podTemplates of the chart/)
  })
}

test('allowed: what leaves the pod restricted', async () => {
  for (const spec of ALLOWED) assert.equal(await sayOf(spec), '')
})

test('a thousand partitions with a template each are judged within the cost that the API server allows', async () => {
  const { workers } = ALLOWED[0] as { workers: object }
  const own = (name: string) => {
    const containers = [{ name: 'trainer', env: [{ name: 'SITE', value: name }] }]
    return { name, workers: { template: { spec: { nodeSelector: { site: name }, containers } } } }
  }
  const wrong = { name: 'z', workers: { template: { spec: { hostIPC: true } } } }
  for (const partitions of [many(1000, (name) => ({ name, workers })), many(1000, own)]) {
    assert.equal(await sayOf({ partitions }), '')
    const said = await sayOf({ partitions: [...partitions.slice(1), wrong] })
    assert.match(said, /spec\.partitions\[z\]\.workers\.template\.spec\.hostIPC is not allowed/)
  }
})

for (const name of ['stored', 'many']) {
  test(`${name}: a job with a template that is refused now can be labelled, paused and deleted`, async () => {
    await merge(name, { metadata: { labels: { team: 'x' }, finalizers: ['fedsam.test/x'] } })
    await merge(name, { spec: { suspend: true } })
    await merge(name, { metadata: { finalizers: null } })
    await cluster.client.call({ method: 'DELETE', path: `${JOBS}/${name}` })
  })
}

test('a change of a partition is judged, and only that partition', async () => {
  const template = (spec: object) => ({ workers: { template: { spec } } })
  await store('changed', { partitions: [{ name: 'a' }, { name: 'b', ...template({ priority: 1 }) }] })
  const added = [
    { name: 'a' },
    { name: 'b', ...template({ priority: 1 }) },
    { name: 'c', ...template({ hostIPC: true }) },
  ]
  await assert.rejects(
    merge('changed', { spec: { partitions: added } }),
    /spec\.partitions\[c\].*hostIPC is not allowed/,
  )
})

test('Off refuses every template, and Any none', async () => {
  await install(cluster, 'system', '--set', 'podTemplates=false')
  const harmless: Spec = { workers: { template: { spec: { priorityClassName: 'low' } } } }
  await until('Off is in force', async () => (await sayOf(harmless)) !== '')
  assert.match(await sayOf(harmless), /spec\.workers\.template is not allowed/)
  assert.equal(await sayOf({}), '')
  const said = await sayOf({ partitions: [{ name: 'a', securityContext: { runAsUser: 0 } }, { name: 'b' }] })
  assert.match(said, /spec\.partitions\[a\]\.securityContext\.runAsUser/)
  for (const kind of ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'])
    await cluster.server.kubectl(['delete', kind, 'fedsam-pod-templates'])
  await install(cluster, 'system', '--set', 'podTemplates=Any')
  await until('Any is in force', async () => (await sayOf(harmless)) === '')
  for (const { spec } of REFUSED) assert.equal(await sayOf(spec), '')
})
