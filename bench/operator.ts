// The operator with a thousand FederatedJobs of two partitions, against a real API server with etcd, no kubelet: how fast the children
// are there, then, with a controller manager and a standby beside it, what it takes, what it writes when there is nothing to do, how
// fast another takes over.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectKubernetes } from '#operator/kubernetes/client/client.ts'
import { type KubernetesServer, startKubernetes } from '#scripts/kubernetes/server.ts'
import type { KubernetesClient } from '#transport/kubernetes/calls.ts'
import type { Figure, Row } from './figure.ts'
import { type OperatorProcess, startOperatorProcess } from './operator-process.ts'

const JOBS = 1000
const PARTITIONS = ['a', 'b']
const NOOP_LOOKS = 10_000
/** Calls a second of the controller manager, so that the pods are there in minutes. */
const CONTROLLERS_RATE = 100
const CRD = 'crds/fedsam.dev_federatedjobs.yaml'
const JOBS_PATH = '/apis/fedsam.dev/v1alpha1/namespaces/default/federatedjobs'

export const operatorAtScale: Figure = {
  name: 'operator',
  async run() {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-bench-'))
    const server = await startKubernetes({ folder })
    const client = connectKubernetes({ kubeconfig: server.kubeconfig })
    const started: OperatorProcess[] = []
    let account: Record<string, string> = {}
    const start = async (name: string, env: Record<string, string>): Promise<OperatorProcess> => {
      const operator = await startOperatorProcess(name, { ...account, ...env })
      started.push(operator)
      return operator
    }
    try {
      await server.kubectl(['apply', '--server-side', '-f', CRD])
      await until(() => client.call({ method: 'GET', path: JOBS_PATH }))
      account = await podAccount(server, folder)
      const first = await start('first', {})
      await until(() => holds(client, first.name))
      const rows = await scaleUp(server, client, first)
      const second = await start('second', { FEDSAM_RESYNC_SECONDS: '2' })
      return [
        ...rows,
        ...(await takeOver(client, first, second)),
        ...(await doNothing(second)),
        await stop(second),
      ]
    } finally {
      for (const { child } of started) child.kill('SIGKILL')
      client.close()
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** As in a pod: a token of its own account, and where the API server is. */
async function podAccount(server: KubernetesServer, folder: string): Promise<Record<string, string>> {
  const { hostname, port } = new URL(server.url)
  await server.kubectl(['create', 'serviceaccount', 'operator'])
  const role = ['--clusterrole=cluster-admin', '--serviceaccount=default:operator']
  await server.kubectl(['create', 'clusterrolebinding', 'operator', ...role])
  await writeFile(
    join(folder, 'token'),
    await server.kubectl(['create', 'token', 'operator', '--duration=2h']),
  )
  return { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, FEDSAM_ACCOUNT_FOLDER: folder }
}

async function scaleUp(
  server: KubernetesServer,
  client: KubernetesClient,
  operator: OperatorProcess,
): Promise<Row[]> {
  const children = await childrenPerJob(client, operator)
  const sampling = new AbortController()
  const connections = mostConnections(operator, Number(new URL(server.url).port), sampling.signal)
  const begun = performance.now()
  const names = Array.from({ length: JOBS }, (_, i) => `job-${i}`)
  await Promise.all(
    [0, 1, 2, 3].map((k) =>
      createAll(
        client,
        names.filter((_, i) => i % 4 === k),
      ),
    ),
  )
  const created = (performance.now() - begun) / 1000
  const wanted = children * (JOBS + 1)
  await until(async () => {
    if ((await operator.metric('fedsam_children_writes_total', 'write="Create"')) < wanted)
      throw new Error('not all')
  })
  const seconds = (performance.now() - begun) / 1000
  const [load = 0] = loadavg()
  const jobs = await count(client, '/apis/batch/v1/namespaces/default/jobs')
  if (jobs !== (JOBS + 1) * (PARTITIONS.length + 1)) throw new Error(`${jobs} Jobs are there`)
  // The controller manager makes a pod of each Job: they belong to what is cached.
  await server.startControllers(CONTROLLERS_RATE)
  await until(async () => {
    if ((await count(client, '/api/v1/namespaces/default/pods')) < jobs) throw new Error('not all')
  })
  sampling.abort()
  const peak = (await operator.peakBytes()) / 2 ** 20
  const most = await connections
  return [
    row(
      `${JOBS} jobs: all ${children * JOBS} children`,
      seconds,
      's',
      60,
      `creating the jobs took ${created.toFixed(1)} s, load ${load.toFixed(1)}`,
    ),
    row(`memory at its peak, ${jobs} pods cached`, peak, 'MiB', 300),
    row('connections to the API server', most, '', 16),
  ]
}

/** One job alone says how many there are of each. */
async function childrenPerJob(client: KubernetesClient, operator: OperatorProcess): Promise<number> {
  await createAll(client, ['probe'])
  let before = 0
  await until(async () => {
    const now = await operator.metric('fedsam_children_writes_total', 'write="Create"')
    const settled = now > 0 && now === before && (await operator.metric('fedsam_status_writes_total')) > 0
    before = now
    if (!settled) throw new Error('not yet')
  })
  return before
}

async function createAll(client: KubernetesClient, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const spec = {
      partitions: PARTITIONS.map((partition) => ({ name: partition })),
      storage: { s3: { bucket: 'models' } },
      messaging: { nats: { url: 'tls://nats:4222' } },
    }
    const body = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata: { name }, spec }
    await client.call({ method: 'POST', path: JOBS_PATH, body })
  }
}

async function mostConnections(
  operator: OperatorProcess,
  port: number,
  signal: AbortSignal,
): Promise<number> {
  let most = 0
  while (!signal.aborted) {
    most = Math.max(most, await operator.connectionsTo(port).catch(() => 0)) // it may be gone
    await sleep(200)
  }
  return most
}

async function takeOver(
  client: KubernetesClient,
  first: OperatorProcess,
  second: OperatorProcess,
): Promise<Row[]> {
  await first.end('SIGKILL')
  const begun = performance.now()
  await until(() => holds(client, second.name), 100)
  return [row('leader killed: another leads after', (performance.now() - begun) / 1000, 's', 25)]
}

/** The second operator looks at every job every two seconds. */
async function doNothing(operator: OperatorProcess): Promise<Row[]> {
  const looks = (): Promise<number> => operator.metric('controller_runtime_reconcile_total')
  const writes = async (): Promise<number> => {
    const methods = ['POST', 'PATCH', 'DELETE'] // the lease is PUT
    const counts = methods.map((method) =>
      operator.metric('rest_client_requests_total', `method="${method}"`),
    )
    return (await Promise.all(counts)).reduce((sum, each) => sum + each, 0)
  }
  const first = await looks()
  await until(async () => {
    if ((await looks()) < first + 2 * JOBS) throw new Error('still taking over')
  })
  const [from, before, spent] = [await looks(), await writes(), await processorSeconds(operator)]
  await until(async () => {
    if ((await looks()) < from + NOOP_LOOKS) throw new Error('not yet')
  })
  const [to, after, used] = [await looks(), await writes(), await processorSeconds(operator)]
  const each = ((used - spent) / (to - from)) * 1000
  return [
    row(
      `writes in ${to - from} looks without a change`,
      after - before,
      '',
      0,
      `${each.toFixed(2)} ms of processor each`,
    ),
  ]
}

const processorSeconds = (operator: OperatorProcess): Promise<number> =>
  operator.metric('process_cpu_seconds_total')

async function stop(operator: OperatorProcess): Promise<Row> {
  return row('SIGTERM: gone after', await operator.end('SIGTERM'), 's', 3)
}

function row(what: string, measured: number, unit: string, bound: number, aside = ''): Row {
  const value = `${unit === 's' ? measured.toFixed(1) : measured.toFixed(0)} ${unit}`.trim()
  const against = `at most ${bound} ${unit}`.trim()
  return { what, value, against: aside ? `${against}; ${aside}` : against, met: measured <= bound }
}

async function holds(client: KubernetesClient, name: string): Promise<void> {
  const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases/fedsam-operator'
  const { spec } = await client.call<{ spec: { holderIdentity: string } }>({ method: 'GET', path })
  if (!spec.holderIdentity.startsWith(`${name}_`)) throw new Error(`${spec.holderIdentity} leads`)
}

async function count(client: KubernetesClient, path: string): Promise<number> {
  return (await client.call<{ items: unknown[] }>({ method: 'GET', path })).items.length
}

async function until(holds: () => Promise<unknown>, everyMs = 500): Promise<void> {
  const end = performance.now() + 600_000
  for (;;) {
    const [error] = await holds().then(
      () => [undefined],
      (reason: unknown) => [reason],
    )
    if (error === undefined) return
    if (performance.now() > end) throw error
    await sleep(everyMs)
  }
}
