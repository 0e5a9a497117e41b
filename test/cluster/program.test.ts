// The operator as a program against a real API server: ready, acts on what changes, counts, ends on SIGTERM.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { signingKeyOf } from '#protocol/signatures.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { signingFolder } from './operator-process.ts'

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster?.stop())

async function freePort(): Promise<string> {
  const listener = createServer().listen(0)
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }
  listener.close()
  return String(port)
}

test('ready, a job becomes its children, an edit follows, SIGTERM ends it', async () => {
  const { server } = cluster
  const images = ['COORDINATOR', 'WORKER', 'WORKER_GPU'].map((name) => [`FEDSAM_${name}_IMAGE`, 'image:1'])
  const [probes, metrics] = [await freePort(), await freePort()]
  const env = {
    ...process.env,
    ...Object.fromEntries(images),
    KUBECONFIG: server.kubeconfig,
    // Not the job's: the operator's own namespace runs none.
    POD_NAMESPACE: 'kube-public',
    FEDSAM_PROBE_PORT: probes,
    FEDSAM_METRICS_PORT: metrics,
    FEDSAM_END_WITH_PARENT: 'true',
    FEDSAM_SIGNING_FOLDER: signingFolder(),
  }
  const operator = spawn(process.execPath, ['operator/main.ts'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let logged = ''
  operator.stdout.on('data', (bytes) => {
    logged += bytes
  })
  const exit = once(operator, 'exit')
  try {
    await until('ready', async () => (await fetch(`http://127.0.0.1:${probes}/readyz`)).ok)
    assert.ok((await fetch(`http://127.0.0.1:${probes}/livez`)).ok)
    // The seed of signingFolder.
    const { publicKey } = signingKeyOf(new Uint8Array(32).fill(7))
    await until('its public key', async () => logged.includes(`with the public key ${publicKey}"`))
    const job = (names: readonly string[]): string => {
      const spec = { partitions: names.map((name) => ({ name })) }
      return JSON.stringify({
        apiVersion: 'fedsam.dev/v1alpha1',
        kind: 'FederatedJob',
        metadata: { name: 'brain' },
        spec,
      })
    }
    const jobNames = async (): Promise<string> => (await server.kubectl(['get', 'jobs', '-o', 'name'])).trim()
    const expected = (names: readonly string[]): string =>
      ['coordinator', ...names].map((name) => `job.batch/brain-${name}`).join('\n')
    await server.kubectl(['apply', '-f', '-'], job(['a', 'b']))
    await until('children', async () => (await jobNames()) === expected(['worker-a', 'worker-b']))
    await until('state', async () => (await server.kubectl(['get', 'fj', 'brain'])).includes('Waiting'))
    await server.kubectl(['apply', '-f', '-'], job(['a', 'c']))
    await until('the edit', async () => (await jobNames()).includes('worker-c'))
    const uid = (): Promise<string> =>
      server.kubectl(['get', 'job', 'brain-coordinator', '-o', 'jsonpath={.metadata.uid}'])
    const before = await uid()
    await server.kubectl(['delete', 'job', 'brain-coordinator'])
    await until('the deleted one again', async () => (await uid()) !== before)
    const scraped = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    for (const line of [
      'leader_election_master_status{name="fedsam-operator"} 1',
      'fedsam_jobs{state="Waiting"} 1',
      'fedsam_children_writes_total{kind="Job",write="Create"} 5',
      'controller_runtime_reconcile_errors_total{controller="federatedjob"} 0',
    ])
      assert.ok(scraped.includes(`\n${line}\n`), `${line} is not in\n${scraped}`)
    // Names of objects would make as many series as there ever were jobs.
    assert.doesNotMatch(scraped, /brain/)
  } finally {
    operator.kill('SIGTERM')
  }
  assert.deepEqual(await exit, [POD_EXITS.AskedToStop.code, null])
  const holder = await server.kubectl([
    'get',
    'lease',
    '--namespace=kube-public',
    'fedsam-operator',
    '-o',
    'jsonpath={.spec.holderIdentity}',
  ])
  assert.equal(holder, '')
})
