// Several operators, one lease, as programs: one writes, the others only watch; an operator that is killed, stopped or put to sleep is
// followed by another, and one that wakes after its lease writes nothing more. Each asks through a proxy that notes what it asks.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { connectKubernetes } from '#operator/kubernetes/client/client.ts'
import { pathOf } from '#operator/kubernetes/client/resources.ts'
import { Elector } from '#operator/kubernetes/election/elector.ts'
import { fenced, NotLeading } from '#operator/kubernetes/election/fence.ts'
import { startOperator } from '#operator/kubernetes/operator.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { CERTIFIER, TRUST } from '../given/signed.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { type FaultingProxy, startFaultingProxy } from './faulting.ts'
import { signingFolder } from './operator-process.ts'

interface Candidate {
  readonly name: string
  readonly child: ChildProcess
  readonly proxy: FaultingProxy
  readonly exit: Promise<unknown[]>
  /** What it wrote, the lease left out. */
  writes(): string[]
}

let cluster: Cluster
const candidates: Candidate[] = []
before(async () => {
  cluster = await startCluster()
})
after(async () => {
  for (const { child } of candidates) child.kill('SIGKILL')
  await Promise.all(candidates.map(({ exit }) => exit))
  for (const { proxy } of candidates) await proxy.close()
  await cluster?.stop()
})

/** The operators' own namespace, which runs no job. */
const OWN = 'kube-public'

/** client-go's proportions, five times as fast. */
const LEASE_SECONDS = '3'

async function start(name: string): Promise<Candidate> {
  const proxy = await startFaultingProxy(cluster.server, cluster.folder, name)
  const images = ['COORDINATOR', 'WORKER', 'WORKER_GPU'].map((kind) => [`FEDSAM_${kind}_IMAGE`, 'image:1'])
  const env = {
    ...process.env,
    ...Object.fromEntries(images),
    KUBECONFIG: proxy.kubeconfig,
    POD_NAME: name,
    POD_NAMESPACE: OWN,
    FEDSAM_PROBE_PORT: '0',
    FEDSAM_METRICS_PORT: '0',
    FEDSAM_LEASE_SECONDS: LEASE_SECONDS,
    FEDSAM_END_WITH_PARENT: 'true',
    FEDSAM_SIGNING_FOLDER: signingFolder(),
  }
  const child = spawn(process.execPath, ['operator/main.ts'], { env, stdio: ['pipe', 'ignore', 'ignore'] })
  const writes = (): string[] =>
    proxy.asked
      .filter(({ method, path }) => method !== 'GET' && !path.includes('/leases'))
      .map(({ method, path }) => `${method} ${path}`)
  const candidate = { name, child, proxy, writes, exit: once(child, 'exit') }
  candidates.push(candidate)
  await until(`${name} asks for the lease`, async () =>
    proxy.asked.some(({ path }) => path.includes('/leases')),
  )
  return candidate
}

async function holder(): Promise<string> {
  const path = pathOf('Lease', OWN, 'fedsam-operator')
  const { spec } = await cluster.client.call<{ spec: { holderIdentity?: string } }>({ method: 'GET', path })
  return spec.holderIdentity ?? ''
}

const leads =
  ({ name }: Candidate) =>
  async (): Promise<boolean> =>
    (await holder()).startsWith(`${name}_`)

/** Creates a FederatedJob and waits until an operator made all of its Jobs. */
async function runJob(name: string): Promise<void> {
  await createJob(name)
  await until(`the Jobs of ${name}`, async () => (await jobsOf(name)) === 3)
}

async function createJob(name: string): Promise<void> {
  const spec = { partitions: [{ name: 'a' }, { name: 'b' }] }
  const body = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name }, spec }
  await cluster.client.call({ method: 'POST', path: pathOf('FederatedJob', 'default'), body })
}

async function jobsOf(name: string): Promise<number> {
  const path = `${pathOf('Job', 'default')}?labelSelector=fedsam.dev%2Fjob%3D${name}`
  return (await cluster.client.call<{ items: unknown[] }>({ method: 'GET', path })).items.length
}

test('one leads and writes, the other only watches; killed, put to sleep, stopped: another goes on', async () => {
  const first = await start('first')
  await until('the first leads', leads(first))
  const second = await start('second')
  await runJob('one')
  assert.ok(first.writes().length >= 10)
  assert.deepEqual(second.writes(), [])

  // Asleep for longer than its lease, with a job that it has not seen yet.
  first.child.kill('SIGSTOP')
  await createJob('two')
  await until('the second leads', leads(second))
  await until('its Jobs', async () => (await jobsOf('two')) === 3)
  const before = first.writes().length
  first.child.kill('SIGCONT')
  assert.deepEqual(await first.exit, [POD_EXITS.Superseded.code, null])
  assert.deepEqual(first.writes().slice(before), [])

  const third = await start('third')
  second.child.kill('SIGKILL')
  await until('the third leads', leads(third))
  await runJob('three')

  third.child.kill('SIGTERM')
  assert.deepEqual(await third.exit, [POD_EXITS.AskedToStop.code, null])
  assert.equal(await holder(), '') // given back: the next need not wait
  const fourth = await start('fourth')
  await until('the fourth leads', leads(fourth))
})

const TIMES = { durationSeconds: 3, renewSeconds: 2, retrySeconds: 0.2 }

test('a leader that does not reach the API server stops being one before another may begin', async () => {
  const proxy = await startFaultingProxy(cluster.server, cluster.folder, 'cut')
  const client = connectKubernetes({ kubeconfig: proxy.kubeconfig })
  const stop = new AbortController()
  const elect = (identity: string, through = cluster.client) =>
    new Elector(through, {
      namespace: 'default',
      name: 'cut',
      identity,
      times: TIMES,
      onError: () => {},
      signal: stop.signal,
    })
  const [cut, other] = [elect('cut', client), elect('other')]
  try {
    assert.equal(await cut.acquire(), true)
    const taken = other.acquire().then(() => cut.isLeader())
    proxy.decide = () => ({ status: 500 })
    assert.equal(await cut.hold(), 'Lost')
    assert.equal(await taken, false)
    assert.equal(other.isLeader(), true)
    await cut.release() // it has nothing to give back
    assert.equal(other.isLeader(), true)
  } finally {
    stop.abort()
    client.close()
    await proxy.close()
  }
})

test('without leadership nothing is written, and reading goes on', async () => {
  let leader = false
  const client = fenced(cluster.client, () => leader)
  const body = { metadata: { name: 'fenced' } }
  const create = { method: 'POST', path: pathOf('ServiceAccount', 'default'), body } as const
  await assert.rejects(client.call(create), { name: 'NotLeading' })
  const names = async (): Promise<string[]> => {
    const read = { method: 'GET', path: pathOf('ServiceAccount', 'default') } as const
    const { items } = await client.call<{ items: { metadata: { name: string } }[] }>(read)
    return items.map(({ metadata }) => metadata.name)
  }
  assert.equal((await names()).includes('fenced'), false)
  leader = true
  await client.call(create)
  assert.equal((await names()).includes('fenced'), true)
})

test('an operator whose lease is over, and that does not know it yet, writes nothing', async () => {
  const proxy = await startFaultingProxy(cluster.server, cluster.folder, 'over')
  const client = connectKubernetes({ kubeconfig: proxy.kubeconfig })
  const [stop, reports] = [new AbortController(), [] as unknown[]]
  const ended = once(stop.signal, 'abort').then(() => 'Stopped' as const)
  const elector = {
    isLeader: () => false,
    acquire: async () => true,
    hold: () => ended,
    release: async () => {},
  }
  const { done } = startOperator(client, elector, {
    settings: {
      images: { coordinator: 'c:1', worker: 'w:1', workerGpu: 'g:1' },
      pullPolicy: 'Never',
      pullSecrets: [],
      certifier: CERTIFIER,
      trust: TRUST,
    },
    namespaces: ['default'],
    workers: 2,
    resyncSeconds: 3600,
    report: ({ error }) => reports.push(error),
    now: () => Date.now(),
    signal: stop.signal,
  })
  try {
    await createJob('late')
    await until('it tried', async () => reports.some((error) => error instanceof NotLeading))
  } finally {
    stop.abort()
    await done
    client.close()
    await proxy.close()
  }
  assert.deepEqual(
    proxy.asked.filter(({ method }) => method !== 'GET'),
    [],
  )
})
