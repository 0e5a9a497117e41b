// `kubectl fedsam doctor` of a real API server, a real S3 server and a real nats-server: its lines where everything is there, and
// what it says of each thing that is missing.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type NatsServer, type S3Server, startNats, startS3 } from '#cli/run/servers/servers.ts'
import { render } from '../chart/helm.ts'
import { type Ended, startFedsam } from '../cli/fedsam.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { install } from './installed.ts'
import { makeJob, makeNamespace, makePod, READY, SPEC, UNSCHEDULABLE } from './kubectl-jobs.ts'

let cluster: Cluster
let s3: S3Server
let nats: NatsServer
let dir = ''
before(async () => {
  cluster = await startCluster()
  dir = await mkdtemp(join(tmpdir(), 'fedsam-doctor-'))
  s3 = await startS3({ folder: join(dir, 's3'), bucket: 'models' })
  nats = await startNats({ folder: join(dir, 'nats') })
  for (const name of ['system', 'team-a']) await makeNamespace(cluster, name)
})
after(async () => {
  await cluster?.stop()
  await s3?.stop()
  await nats?.stop()
  await rm(dir, { recursive: true, force: true })
})

const doctor = (args: readonly string[], kubeconfig = cluster.server.kubeconfig): Promise<Ended> => {
  const aws = { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey }
  const env = { KUBECONFIG: kubeconfig, HOME: dir, AWS_EC2_METADATA_DISABLED: 'true', ...aws }
  return startFedsam(dir, ['doctor', '-n', 'team-a', ...args], { env })
}

/** Creates or changes an object, with its status. */
async function put(
  object: { kind: string; metadata: { name: string } } & Record<string, unknown>,
): Promise<void> {
  const { status, ...body } = object
  await cluster.server.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(body))
  if (!status) return
  const { name, namespace } = object.metadata as { name: string; namespace?: string }
  const where = namespace ? ['-n', namespace] : []
  const patch = ['patch', object.kind.toLowerCase(), name, '--subresource=status', '--type=merge']
  await cluster.server.kubectl([...where, ...patch, '-p', JSON.stringify({ status })])
}

/** What doctor says of a job that names no NATS credentials, where the chart has no gate. */
const NO_GATE = [
  'unseen   gate: the chart has no gate here, and the job names no NATS credentials: any program that',
  '         reaches the NATS server can read the messages of this job',
  '           install the chart with gate.enabled=true, or name a Secret in',
  '           spec.messaging.nats.credentialsSecretName',
]

test('a cluster without an operator and without devices', async () => {
  const { code, stdout } = await doctor([])
  assert.equal(
    stdout,
    `ok       FederatedJobs: the cluster serves v1alpha1 with the schema of this fedsam
problem  operator: no operator is installed
           install the chart: helm install fedsam charts/fedsam -n fedsam-system --create-namespace
           --set images.registry=REGISTRY
ok       your rights: you may create and follow FederatedJobs in team-a, and read their pods' logs
ok       accelerators: none on 0 nodes; jobs without workers.accelerator run on CPUs
1 problem
`,
  )
  assert.equal(code, 1)
})

/** The chart's own Deployment, as its controller would report it. */
async function operatorWith(readyReplicas: number, ...flags: readonly string[]): Promise<void> {
  const deployment = (await render(...flags)).find(({ kind }) => kind === 'Deployment')!
  const replicas = deployment.spec.replicas
  await put({ ...deployment, status: { replicas, readyReplicas } })
}

const node = (name: string, gpus: string) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { allocatable: { cpu: '8', 'nvidia.com/gpu': gpus, 'hugepages.kubernetes.io/2Mi': '4' } },
})

test('an operator that is ready, and nodes with devices', async () => {
  await operatorWith(1)
  await put(node('one', '2'))
  await put(node('two', '4'))
  await put(node('three', '0'))
  const { code, stdout } = await doctor([])
  assert.match(stdout, /^ok {7}operator: system\/fedsam: 1 of \d ready, /m)
  assert.match(stdout, /^ok {7}accelerators: 6 nvidia\.com\/gpu on 2 of 3 nodes\nno problem found\n$/m)
  assert.equal(code, 0)
})

test('an operator that is not ready, or watches other namespaces', async () => {
  await operatorWith(0)
  const unready = await doctor([])
  assert.match(unready.stdout, /^problem {2}operator: system\/fedsam: 0 of \d ready/m)
  assert.match(unready.stdout, /kubectl -n system describe deployment fedsam/)
  await operatorWith(1, '--set', 'watchNamespaces={elsewhere}')
  const elsewhere = await doctor([])
  assert.match(
    elsewhere.stdout,
    /^problem {2}operator: system\/fedsam does not watch team-a\n {11}add team-a to/m,
  )
  await operatorWith(1)
})

const wanted = () => ({
  storage: {
    s3: {
      bucket: 'models',
      endpoint: s3.endpoint,
      credentialsSecretName: 'store',
      caBundleConfigMapName: 'ca',
    },
  },
  messaging: { nats: { url: nats.url } },
  partitions: [
    { name: 'site-a', source: { persistentVolumeClaim: { claimName: 'scans' } } },
    { name: 'site-b', workers: { accelerator: { count: 8 } }, serviceAccountName: 'b' },
  ],
})

test('a job whose Secrets, claims and devices are not there, before it is applied', async () => {
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'brain' },
    spec: { ...SPEC, ...wanted() },
  }
  await writeFile(join(dir, 'job.yaml'), JSON.stringify(job))
  const { code, stdout, stderr } = await doctor(['-f', 'job.yaml'])
  assert.equal(stderr, '')
  const lines = stdout.split('\n').slice(3)
  assert.deepEqual(lines, [
    'problem  accelerators: site-b: needs 8 nvidia.com/gpu on one node; the largest has 4',
    "           install the device's plugin on nodes that have it, ask for fewer, or leave",
    '           workers.accelerator out to train on CPUs',
    'ok       admission: the cluster accepts the job in namespace team-a',
    'problem  named objects: Secret store, which spec.storage.s3.credentialsSecretName names, does not',
    '         exist in namespace team-a',
    '           create it, or correct spec.storage.s3.credentialsSecretName',
    'problem  named objects: ConfigMap ca, which spec.storage.s3.caBundleConfigMapName names, does not',
    '         exist in namespace team-a',
    '           create it, or correct spec.storage.s3.caBundleConfigMapName',
    'problem  named objects: PersistentVolumeClaim scans, which',
    '         spec.partitions[0].source.persistentVolumeClaim.claimName names, does not exist in',
    '         namespace team-a',
    '           create it, or correct spec.partitions[0].source.persistentVolumeClaim.claimName',
    'problem  named objects: ServiceAccount b, which spec.partitions[1].serviceAccountName names, does',
    '         not exist in namespace team-a',
    '           create it, or correct spec.partitions[1].serviceAccountName',
    'ok       store: s3://models/team-a/brain/doctor answers, and refuses to overwrite an object',
    `ok       bus: ${nats.url} answers`,
    ...NO_GATE,
    '5 problems',
    '',
  ])
  assert.equal(code, 1)
})

test('a job that its author may not create, before it is applied: by the policy of the chart, or by the operator', async () => {
  const template = { spec: { hostNetwork: true } }
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'greedy' },
    spec: { ...SPEC, ...wanted(), workers: { template } },
  }
  await writeFile(join(dir, 'greedy.yaml'), JSON.stringify(job))
  const admission = async (): Promise<string> => {
    const { stdout } = await doctor(['-f', 'greedy.yaml'])
    return /^problem {2}admission: .*\n( {9,}.*\n)+/m.exec(stdout)?.[0].replaceAll(/\n +/g, ' ') ?? ''
  }
  const says = 'spec.workers.template.spec.hostNetwork is not allowed'
  assert.ok((await admission()).startsWith(`problem  admission: ${says}. Create the job without it`))
  await install(cluster, 'system')
  await until('the policy is in force', async () => (await admission()).includes(`denied request: ${says}`))
  for (const kind of ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'])
    await cluster.server.kubectl(['delete', kind, '--all'])
})

test('the same job once all is there; its pods say what is left', async () => {
  const inTeam = (kind: string, name: string, more: object = {}) =>
    put({ apiVersion: 'v1', kind, metadata: { name, namespace: 'team-a' } as never, ...more })
  await inTeam('Secret', 'store', {
    stringData: { AWS_ACCESS_KEY_ID: s3.accessKey, AWS_SECRET_ACCESS_KEY: s3.secretKey },
  })
  await inTeam('ConfigMap', 'ca')
  await inTeam('ServiceAccount', 'b')
  const spec = { accessModes: ['ReadOnlyMany'], resources: { requests: { storage: '1Gi' } } }
  await inTeam('PersistentVolumeClaim', 'scans', { spec })
  await put(node('two', '8'))
  await makeJob(cluster.client, 'team-a', 'brain', { state: 'Waiting', spec: wanted() })
  await makePod(cluster.client, 'team-a', { job: 'brain', status: READY })
  const args = ['brain', '--credentials-from-secret']
  const good = await doctor(args)
  assert.deepEqual({ code: good.code, stderr: good.stderr }, { code: 0, stderr: '' }, good.stdout)
  assert.match(
    good.stdout,
    /^ok {7}named objects: Secret store, ConfigMap ca, PersistentVolumeClaim scans, ServiceAccount b:\n {9}there$/m,
  )
  assert.match(good.stdout, /^ok {7}pods: 1 exist, none with a problem\nno problem found\n$/m)
  await makePod(cluster.client, 'team-a', { job: 'brain', partition: 'site-b', status: UNSCHEDULABLE })
  const bad = await doctor(args)
  assert.equal(bad.code, 1)
  assert.match(bad.stdout, /^problem {2}pods: site-b: pending, 0\/3 nodes are available/m)
})

test('servers that only pods reach, and credentials that the store does not take', async () => {
  const storage = { s3: { bucket: 'models', endpoint: 'http://store.storage.svc:7070' } }
  const messaging = { nats: { url: 'nats://bus.messaging.svc:4222' } }
  await makeJob(cluster.client, 'team-a', 'inside', { state: 'Waiting', spec: { storage, messaging } })
  const inside = await doctor(['inside'])
  assert.equal(inside.code, 1)
  const said = inside.stdout.replaceAll(/\n +/g, ' ')
  assert.match(said, /port-forward svc\/store 7070:7070 and add --endpoint http:\/\/127\.0\.0\.1:7070/)
  assert.match(said, /-n messaging port-forward svc\/bus 4222:4222 and add --nats nats:\/\/127\.0\.0\.1:4222/)
  const through = await doctor(['inside', '--endpoint', s3.endpoint, '--nats', nats.url])
  assert.equal(through.code, 0, through.stdout)
  const unnamed = await doctor(['inside', '--endpoint', s3.endpoint, '--credentials-from-secret'])
  assert.match(unnamed.stdout, /^problem {2}store: the job names no Secret in spec\.storage\.s3/m)
})

test('a NATS server that asks who comes is there; a job without credentials needs a gate', async () => {
  const config = 'authorization: {users: [{user: a, password: b}]}'
  const guarded = await startNats({ folder: join(dir, 'guarded'), config })
  try {
    const args = ['inside', '--endpoint', s3.endpoint, '--nats', guarded.url]
    const { stdout } = await doctor(args)
    assert.match(
      stdout.replaceAll(/\n +/g, ' '),
      /unseen {3}bus: \S+ answers and needs credentials; .* a gate must verify without a gate, name a Secret/,
    )
    const chart = await render('--set', 'quickstart.enabled=true')
    const gate = chart.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'fedsam-gate')!
    await put({ ...gate, status: { replicas: 2, readyReplicas: 0 } })
    const away = (await doctor(args)).stdout.replaceAll(/\n +/g, ' ')
    assert.match(
      away,
      /problem {2}gate: system\/fedsam-gate: 0 of 2 ready; no new pod can connect to the bus/,
    )
    await put({ ...gate, status: { replicas: 2, readyReplicas: 2 } })
    const ready = (await doctor(args)).stdout.replaceAll(/\n +/g, ' ')
    assert.match(ready, /ok {7}gate: system\/fedsam-gate: 2 of 2 ready/)
    assert.match(ready, /ok {7}gate: it refused no member of this job lately/)
  } finally {
    await guarded.stop()
  }
})

test('a user with few rights sees what the check could not read, and that is not a problem', async () => {
  const { server } = cluster
  const file = join(dir, 'reader')
  await server.kubectl(['-n', 'team-a', 'create', 'serviceaccount', 'reader'])
  const role = ['-n', 'team-a', 'create', 'role', 'reader', '--verb=get,list,watch,create,patch']
  await server.kubectl([...role, '--resource=federatedjobs.fedsam.dev,pods,pods/log'])
  const binding = ['-n', 'team-a', 'create', 'rolebinding', 'reader', '--role=reader']
  await server.kubectl([...binding, '--serviceaccount=team-a:reader'])
  const token = (await server.kubectl(['-n', 'team-a', 'create', 'token', 'reader'])).trim()
  const config = JSON.parse(await server.kubectl(['config', 'view', '--raw', '-o', 'json']))
  config.users = config.users.map(({ name }: { name: string }) => ({ name, user: { token } }))
  await writeFile(file, JSON.stringify(config))
  const { code, stdout } = await doctor(['brain'], file)
  const said = stdout.replaceAll(/\n {9}(?! )/g, ' ')
  assert.match(said, /^unseen {3}FederatedJobs: the cluster serves them; their schema was not compared/m)
  assert.match(said, /^unseen {3}operator: User "[^"]+:reader" may not list deployments$/m)
  assert.match(said, /^ok {7}your rights: /m)
  assert.match(said, /^unseen {3}accelerators: User "[^"]+" may not list nodes$/m)
  assert.match(said, /^unseen {3}named objects: User "[^"]+" may not get secrets store in namespace team-a$/m)
  // What it sees is judged as before: site-b has no node.
  assert.equal(code, 1)
  assert.match(said, /\n1 problem\n$/)
})

test('a definition of another version', async () => {
  const crd = JSON.parse(
    await cluster.server.kubectl(['get', 'crd', 'federatedjobs.fedsam.dev', '-o', 'json']),
  )
  const properties = crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties
  properties.rounds.description = 'In other words.'
  await cluster.server.kubectl(['replace', '-f', '-'], JSON.stringify(crd))
  assert.match((await doctor([])).stdout, /^ok {7}FederatedJobs/m)
  delete crd.metadata.resourceVersion
  properties.invented = { type: 'string' }
  await cluster.server.kubectl(['replace', '-f', '-'], JSON.stringify(crd))
  const { code, stdout } = await doctor([])
  assert.equal(code, 1)
  assert.match(
    stdout,
    /^problem {2}FederatedJobs: the cluster serves v1alpha1 with another schema than this fedsam's$/m,
  )
  await cluster.server.kubectl(['delete', 'crd', 'federatedjobs.fedsam.dev'])
  const gone = await doctor([])
  assert.match(
    gone.stdout,
    /^problem {2}FederatedJobs: the cluster does not know them\n {11}install the chart/m,
  )
  const status = await startFedsam(dir, ['status', 'brain'], {
    env: { KUBECONFIG: cluster.server.kubeconfig },
  })
  assert.match(status.stderr, /does not serve FederatedJobs\n {2}install the chart/)
})
