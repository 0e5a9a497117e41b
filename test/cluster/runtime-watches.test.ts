// What the operator knows while the network and the API server misbehave: after every fault it follows again, a lost history means a
// list, nothing is asked in a loop, and a cache without progress is not trusted.
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { openStore, type Store } from '#operator/kubernetes/cache/store.ts'
import { connectKubernetes } from '#operator/kubernetes/client/client.ts'
import { pathOf } from '#operator/kubernetes/client/resources.ts'
import { throttled } from '#operator/kubernetes/client/throttle.ts'
import { startController } from '#operator/kubernetes/controller.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import { reflect } from '#transport/kubernetes/reflector.ts'
import { CERTIFIER, TRUST } from '../given/signed.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { type Asked, type Fault, type FaultingProxy, startFaultingProxy } from './faulting.ts'

let cluster: Cluster
let proxy: FaultingProxy
let client: KubernetesClient
before(async () => {
  cluster = await startCluster()
  proxy = await startFaultingProxy(cluster.server, cluster.folder, 'faulty')
  client = connectKubernetes({ kubeconfig: proxy.kubeconfig })
})
after(async () => {
  client?.close()
  await proxy?.close()
  await cluster?.stop()
})

async function createNamespace(name: string): Promise<void> {
  await cluster.client.call({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } })
}

async function createAccount(namespace: string, name: string): Promise<void> {
  const path = pathOf('ServiceAccount', namespace)
  await cluster.client.call({ method: 'POST', path, body: { metadata: { name } } })
}

const isWatch = ({ path }: Asked): boolean => path.includes('watch=true')

/** A store of a namespace's accounts that follows through the proxy. */
function follow(
  t: TestContext,
  namespace: string,
): { store: Store; stop: () => Promise<void>; errors: unknown[] } {
  const [stop, errors] = [new AbortController(), [] as unknown[]]
  const store = openStore('ServiceAccount', { changed: () => {} })
  const done = reflect(client, {
    path: pathOf('ServiceAccount', namespace),
    follower: store,
    onError: (error) => errors.push(error),
    signal: stop.signal,
    quietSeconds: 2,
    random: () => 0.9,
  })
  t.after(() => stop.abort())
  return {
    store,
    errors,
    async stop() {
      stop.abort()
      await done
    },
  }
}

const EXPIRED = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old', metadata: {} }
/** Name, the fault, which requests meet it, and whether a list must follow. */
const FAULTS: readonly [string, Fault, 'Lists' | 'Watches', boolean][] = [
  ['gone', { status: 410, body: EXPIRED }, 'Watches', true],
  ['gone-later', { status: 200, body: { type: 'ERROR', object: EXPIRED } }, 'Watches', true],
  ['busy', { status: 429, headers: { 'retry-after': '1' } }, 'Watches', false],
  ['broken', { status: 500 }, 'Watches', false],
  ['broken-list', { status: 500 }, 'Lists', true],
  [
    'error-event',
    { status: 200, body: { type: 'ERROR', object: { ...EXPIRED, code: 500, reason: 'InternalError' } } },
    'Watches',
    false,
  ],
  ['reset', 'Reset', 'Watches', false],
  ['silent', 'Silent', 'Watches', false],
  ['truncated', 'Truncated', 'Watches', false],
  ['half-open', 'HalfOpen', 'Watches', false],
]

for (const [name, fault, which, lists] of FAULTS) {
  test(`after ${name}: it follows again${lists ? ', from a list' : ', from where it was'}`, async (t) => {
    const namespace = `watch-${name}`
    await createNamespace(namespace)
    let left = 1
    proxy.asked.length = 0
    proxy.decide = (asked) => {
      if (!asked.path.includes(namespace) || isWatch(asked) !== (which === 'Watches') || left === 0)
        return undefined
      left -= 1
      return fault
    }
    const { store, stop, errors } = follow(t, namespace)
    if (which === 'Watches') await until('the list', store.isSynced)
    await until('the fault', () => left === 0)
    await createAccount(namespace, 'late')
    await until('the account', () => store.get(`${namespace}/late`) !== undefined)
    await stop()
    const asked = proxy.asked.filter(({ path }) => path.includes(namespace))
    assert.equal(asked.filter((each) => !isWatch(each)).length, lists ? 2 : 1, 'lists')
    assert.ok(errors.length >= 1)
    assert.ok(asked.length < 12, `asked ${asked.length} times`)
  })
}

test('what was deleted while the history was lost is known to be gone', async (t) => {
  await createNamespace('lost')
  await createAccount('lost', 'one')
  let cut = false
  proxy.decide = (asked) => {
    if (!asked.path.includes('/lost/') || !isWatch(asked)) return undefined
    return cut ? { status: 410, body: EXPIRED } : 'HalfOpen'
  }
  const { store, stop } = follow(t, 'lost')
  await until('the account', () => store.get('lost/one') !== undefined)
  await cluster.client.call({ method: 'DELETE', path: pathOf('ServiceAccount', 'lost', 'one'), body: {} })
  cut = true
  await until('it is gone', () => store.get('lost/one') === undefined)
  await stop()
})

test('a long list comes in pages', async (t) => {
  await createNamespace('long')
  const names = Array.from({ length: 501 }, (_, i) => `account-${i}`)
  for (let i = 0; i < names.length; i += 10)
    await Promise.all(names.slice(i, i + 10).map((name) => createAccount('long', name)))
  proxy.asked.length = 0
  proxy.decide = () => undefined
  const { store, stop } = follow(t, 'long')
  await until('synced', store.isSynced)
  await stop()
  assert.equal([...store.all()].length, 501)
  assert.equal(proxy.asked.filter((asked) => asked.path.includes('/long/') && !isWatch(asked)).length, 2)
})

test('a server that ends every watch at once is asked again', async (t) => {
  await createNamespace('loop')
  proxy.asked.length = 0
  proxy.decide = (asked) => (isWatch(asked) && asked.path.includes('/loop/') ? { status: 200 } : undefined)
  const { stop } = follow(t, 'loop')
  await until('a third watch', () => proxy.asked.filter(isWatch).length >= 3)
  await stop()
  // How long it waits in between: transport/kubernetes/watch.test.ts.
  assert.equal(proxy.asked.filter((asked) => !isWatch(asked)).length, 1, 'it lists once')
})

const SETTINGS = {
  images: { coordinator: 'c:1', worker: 'w:1', workerGpu: 'g:1' },
  pullPolicy: 'IfNotPresent' as const,
  pullSecrets: [],
  certifier: CERTIFIER,
  trust: TRUST,
}

/** A controller of some namespaces through the proxy, and what it reports. */
function control(t: TestContext, namespaces: readonly string[]) {
  const reports: string[] = []
  const controller = startController(throttled(client, { perSecond: 1000, burst: 1000 }), {
    settings: SETTINGS,
    namespaces,
    workers: 4,
    resyncSeconds: 3600,
    report: ({ error, watch, key }) => reports.push(`${watch ?? key}: ${error}`),
    now: () => Date.now(),
  })
  t.after(() => controller.stop(0))
  return { controller, reports }
}

async function createJob(namespace: string): Promise<void> {
  const spec = { partitions: [{ name: 'a' }, { name: 'b' }] }
  const body = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name: 'brain' }, spec }
  await cluster.client.call({ method: 'POST', path: pathOf('FederatedJob', namespace), body })
}

async function jobsIn(namespace: string): Promise<number> {
  const list = await cluster.client.call<{ items: unknown[] }>({
    method: 'GET',
    path: pathOf('Job', namespace),
  })
  return list.items.length
}

async function conditions(namespace: string): Promise<string> {
  const path = pathOf('FederatedJob', namespace, 'brain')
  const job = await cluster.client.call<{ status?: { conditions?: { reason: string }[] } }>({
    method: 'GET',
    path,
  })
  return (job.status?.conditions ?? []).map(({ reason }) => reason).join(' ')
}

const posts = (namespace: string): string[] =>
  proxy.asked
    .filter(({ method, path }) => method === 'POST' && path.includes(`/${namespace}/`))
    .map(({ path }) => path.replace(/\?.*/, ''))

test('the namespaces that it is given, and no other', async (t) => {
  for (const name of ['mine-1', 'mine-2', 'other']) {
    await createNamespace(name)
    await createJob(name)
  }
  proxy.decide = () => undefined
  const { controller } = control(t, ['mine-1', 'mine-2'])
  await controller.cache.synced
  controller.lead()
  await until('both', async () => (await jobsIn('mine-1')) === 3 && (await jobsIn('mine-2')) === 3)
  await controller.stop(1000)
  assert.equal(await jobsIn('other'), 0)
})

test('a busy API server is asked again later: nothing is reported, nothing done twice', async (t) => {
  await createNamespace('busy')
  await createJob('busy')
  proxy.asked.length = 0
  const refused = new Set<string>()
  proxy.decide = ({ method, path }) => {
    if (method === 'GET' || refused.has(path)) return undefined
    refused.add(path)
    return { status: 429, headers: { 'retry-after': '0' } }
  }
  const { controller, reports } = control(t, ['busy'])
  await controller.cache.synced
  controller.lead()
  await until('all', async () => (await jobsIn('busy')) === 3 && (await conditions('busy')) !== '')
  await controller.stop(1000)
  assert.deepEqual(reports, [])
  assert.ok(refused.size > 5)
})

test('the operator waits for a cache without progress, then reads the API server: it creates every child once', async (t) => {
  await createNamespace('stale')
  await createJob('stale')
  proxy.asked.length = 0
  // Children and the job itself, all but the pods: lists are answered, watches say nothing.
  proxy.decide = (asked) => (isWatch(asked) && asked.path.includes('/stale/') ? 'HalfOpen' : undefined)
  const { controller, reports } = control(t, ['stale'])
  await controller.cache.synced
  controller.lead()
  await until('all', async () => (await jobsIn('stale')) === 3 && (await conditions('stale')) !== '')
  const truth = ({ method, path }: Asked): boolean =>
    method === 'GET' && path.endsWith('/federatedjobs/brain')
  await until('the truth', () => proxy.asked.some(truth))
  await until('no look', () => controller.queue.running().length === 0)
  await controller.stop(1000)
  const made = posts('stale').filter((path) => !path.endsWith('/events'))
  const children = (kind: string): number => made.filter((path) => path.endsWith(`/${kind}`)).length
  assert.deepEqual([children('jobs'), children('serviceaccounts'), children('roles')], [3, 3, 1])
  assert.deepEqual(reports, [])
})

test("somebody else's account of a child's name is met, said, left alone, and replaced once it is gone", async (t) => {
  await createNamespace('taken')
  await createAccount('taken', 'brain-worker-a')
  await createJob('taken')
  proxy.decide = () => undefined
  const { controller } = control(t, ['taken'])
  await controller.cache.synced
  controller.lead()
  await until('it is said', async () => (await conditions('taken')).includes('ChildConflict'))
  const path = pathOf('ServiceAccount', 'taken', 'brain-worker-a')
  const there = await cluster.client.call<{ metadata: { ownerReferences?: unknown } }>({
    method: 'GET',
    path,
  })
  assert.equal(there.metadata.ownerReferences, undefined)
  await cluster.client.call({ method: 'DELETE', path, body: {} })
  await until('it heals', async () => !(await conditions('taken')).includes('ChildConflict'))
  await controller.stop(1000)
})

test('what a quota refuses is said, the rest is done, and it heals once there is room', async (t) => {
  await createNamespace('quota')
  const path = '/api/v1/namespaces/quota/resourcequotas'
  const quota = { metadata: { name: 'few' }, spec: { hard: { 'count/jobs.batch': '1' } } }
  await cluster.client.call({ method: 'POST', path, body: quota })
  // No controller counts here.
  const status = { ...quota, status: { ...quota.spec, used: { 'count/jobs.batch': '0' } } }
  await cluster.client.call({ method: 'PUT', path: `${path}/few/status`, body: status })
  await createJob('quota')
  proxy.decide = () => undefined
  const { controller } = control(t, ['quota'])
  await controller.cache.synced
  controller.lead()
  const message = async (): Promise<string> => {
    const job = { method: 'GET', path: pathOf('FederatedJob', 'quota', 'brain') } as const
    const { status } = await cluster.client.call<{ status?: { summary?: { message?: string } } }>(job)
    return status?.summary?.message ?? ''
  }
  await until('it is said', async () =>
    /rejects Job brain-worker-[ab]: .*exceeded quota: few/.test(await message()),
  )
  assert.equal(await jobsIn('quota'), 1)
  await cluster.client.call({ method: 'DELETE', path: `${path}/few`, body: {} })
  await until('all', async () => (await jobsIn('quota')) === 3)
  await until('nothing is refused', async () => !(await message()).includes('refused'))
  await controller.stop(1000)
})
