// The operator's passes against a real API server: what it renders is accepted, a second pass writes nothing, edits and faults
// lead where they should, and a pass that dies after any write, before or after the answer, is finished by the next.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { act } from '#operator/kubernetes/act.ts'
import { observe } from '#operator/kubernetes/observe.ts'
import type { KubernetesObject, Settings, StoredJob } from '#operator/reconcile/objects.ts'
import { reconcile } from '#operator/reconcile/reconcile.ts'
import type { Call, KubernetesClient } from '#transport/kubernetes.ts'
import { type Cluster, startCluster } from './cluster.ts'

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster?.stop())

const SETTINGS: Settings = {
  images: { coordinator: 'c:1', worker: 'w:1', workerGpu: 'g:1' },
  pullPolicy: 'IfNotPresent',
  pullSecrets: [],
}
const NOW = Date.parse('2026-11-24T08:00:00Z')
const SPEC = {
  partitions: [
    { name: 'a', source: { persistentVolumeClaim: { claimName: 'scans' } } },
    { name: 'b', workers: { accelerator: { count: 2, whenUnseen: 'UseCPU' } } },
  ],
  storage: { s3: { bucket: 'models', credentialsSecretName: 'store', caBundleConfigMapName: 'ca' } },
  messaging: { nats: { credentialsSecretName: 'bus', tlsSecretName: 'tls' } },
  workers: { resources: { requests: { cpu: 1, memory: '1Gi' } } },
}
const jobs = (namespace: string): string => `/apis/fedsam.dev/v1alpha1/namespaces/${namespace}/federatedjobs`

async function createJob(namespace: string, spec: object = SPEC): Promise<StoredJob> {
  await cluster.client.call({
    method: 'POST',
    path: '/api/v1/namespaces',
    body: { metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
  })
  const body = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name: 'brain' }, spec }
  return cluster.client.call({ method: 'POST', path: jobs(namespace), body })
}

async function patch(namespace: string, body: object, subresource = ''): Promise<void> {
  const path = `${jobs(namespace)}/brain${subresource}`
  await cluster.client.call({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })
}

const read = (namespace: string, now = NOW) =>
  observe(cluster.client, { namespace, name: 'brain' }, { settings: SETTINGS, now })

async function pass(namespace: string, client: KubernetesClient = cluster.client): Promise<void> {
  const observed = await read(namespace)
  if (observed) await act(client, observed.job, reconcile(observed), new Date(NOW))
}

/** A client that counts writes and dies at one of them. */
function countingClient(diesAt = Number.POSITIVE_INFINITY, answered = true) {
  const writes: string[] = []
  const call = async <T>(request: Call): Promise<T> => {
    if (request.method === 'GET') return cluster.client.call<T>(request)
    writes.push(`${request.method} ${request.path}`)
    if (writes.length === diesAt && !answered) throw new Error('killed before the write')
    const result = await cluster.client.call<T>(request)
    if (writes.length === diesAt) throw new Error('killed after the write')
    return result
  }
  return { writes, client: { ...cluster.client, call } as KubernetesClient }
}

/** What two namespaces must agree on: children without what the server makes, and conditions. */
async function endState(namespace: string): Promise<unknown> {
  const observed = await read(namespace)
  assert.ok(observed)
  const essence = ({ kind, metadata, spec }: KubernetesObject) =>
    `${kind}/${metadata.name} ${spec?.suspend ?? ''} ${Object.entries(metadata.labels ?? {}).sort()}`
  const conditions = observed.job.status?.conditions?.map(
    ({ type, status, reason }) => `${type} ${status} ${reason}`,
  )
  return { children: observed.children.map(essence).sort(), conditions: conditions?.sort() }
}

const named = (children: readonly KubernetesObject[], name: string) =>
  children.find(({ kind, metadata }) => kind === 'Job' && metadata.name === name)

test('all children are accepted, and a second pass writes nothing', async () => {
  await createJob('fresh')
  const first = countingClient()
  await pass('fresh', first.client)
  assert.equal(first.writes.length, 12) // ten children, the status, one event
  const generations = (await read('fresh'))?.children.map(({ metadata }) => metadata.generation)
  const second = countingClient()
  await pass('fresh', second.client)
  assert.deepEqual(second.writes, [])
  assert.deepEqual(
    (await read('fresh'))?.children.map(({ metadata }) => metadata.generation),
    generations,
  )
})

test("the pods' templates fit the restricted Pod Security standard", async () => {
  await createJob('restricted')
  await pass('restricted')
  const children = (await read('restricted'))?.children ?? []
  for (const { kind, metadata, spec } of children.filter((child) => child.kind === 'Job')) {
    const template = spec?.template as { metadata: object; spec: object }
    const pod = {
      ...template,
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...template.metadata, name: metadata.name },
    }
    const path = '/api/v1/namespaces/restricted/pods?dryRun=All'
    await cluster.client.call({ method: 'POST', path, body: pod }).catch((error: unknown) => {
      assert.fail(`${kind} ${metadata.name}: ${error}`)
    })
  }
})

test('suspend and resume: the Jobs follow, and keep their templates', async () => {
  await createJob('paused')
  await pass('paused')
  const template = named((await read('paused'))?.children ?? [], 'brain-worker-a')?.spec?.template
  for (const suspend of [true, false]) {
    await patch('paused', { spec: { suspend } })
    await pass('paused')
    const job = named((await read('paused'))?.children ?? [], 'brain-worker-a')
    assert.equal(job?.spec?.suspend, suspend)
    assert.deepEqual(job?.spec?.template, template)
  }
})

test('a removed partition is pruned, an added one created', async () => {
  await createJob('edited')
  await pass('edited')
  await patch('edited', { spec: { partitions: [{ name: 'b' }, { name: 'c' }] } })
  await pass('edited')
  const children = (await read('edited'))?.children ?? []
  const there = (name: string): boolean => {
    const job = named(children, name)
    return job !== undefined && job.metadata.deletionTimestamp === undefined
  }
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => there(`brain-worker-${name}`)),
    [false, true, true],
  )
})

test("the coordinator's part of the status survives the operator's, and the operator's the coordinator's", async () => {
  const { metadata } = await createJob('shared')
  await pass('shared')
  const apply = async (training: object): Promise<void> => {
    const body = {
      apiVersion: 'fedsam.dev/v1alpha1',
      kind: 'FederatedJob',
      metadata: { name: 'brain' },
      status: { training },
    }
    const path = `${jobs('shared')}/brain/status?fieldManager=fedsam-coordinator`
    await cluster.client.call({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' })
  }
  await apply({ uid: metadata.uid, epoch: 1, round: 3, attempt: 1, state: 'Training' })
  await pass('shared')
  const status = (await read('shared'))?.job.status
  assert.equal(status?.training?.round, 3)
  assert.equal(status?.summary?.round, '3/10')
  assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
  assert.equal(
    status?.conditions?.find(({ type }) => type === 'Reconciling'),
    undefined,
  )
  assert.match(await cluster.server.kubectl(['get', 'fj', '-n', 'shared']), /brain\s+Training\s+3\/10/)
  await assert.rejects(apply({ uid: metadata.uid, epoch: 0, round: 2, attempt: 1 }))
})

test("somebody else's Job of a worker's name stays, and is said", async () => {
  await createJob('foreign')
  await cluster.server.kubectl(['create', 'job', 'brain-worker-a', '-n', 'foreign', '--image=x'])
  await pass('foreign')
  await pass('foreign')
  const observed = await read('foreign')
  assert.deepEqual(named(observed?.children ?? [], 'brain-worker-a')?.metadata.ownerReferences ?? [], [])
  const reconciling = observed?.job.status?.conditions?.find(({ type }) => type === 'Reconciling')
  assert.equal(reconciling?.reason, 'ChildConflict')
})

test('a pass that dies at any write, before or after it, is finished by the next: the same end', async () => {
  await createJob('reference')
  const reference = countingClient()
  await pass('reference', reference.client)
  await pass('reference')
  const expected = await endState('reference')
  for (const answered of [false, true]) {
    for (let n = 1; n <= reference.writes.length; n++) {
      const namespace = `crash-${n}-${answered ? 'after' : 'before'}`
      await createJob(namespace)
      await assert.rejects(pass(namespace, countingClient(n, answered).client), /killed/)
      await pass(namespace)
      await pass(namespace)
      assert.deepEqual(await endState(namespace), expected, namespace)
      const last = countingClient()
      await pass(namespace, last.client)
      assert.deepEqual(last.writes, [], namespace)
    }
  }
})

test('all of this went over few connections', () => {
  assert.ok(cluster.client.connections() >= 1 && cluster.client.connections() <= 16)
})
