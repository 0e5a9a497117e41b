// Rendered pods: which container has the device, the data, the token and the bus; image and user; what a template may change.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobWith, observe, SETTINGS, templateOf } from '#test/given/observed.ts'
import { reconcile } from '../reconcile.ts'

test('only the trainer has device and data, only the network half has token and bus', () => {
  const source = { persistentVolumeClaim: { claimName: 'scans' } }
  const accelerator = { resource: 'nvidia.com/gpu', count: 2 }
  const spec = { workers: { accelerator }, partitions: [{ name: 'a', source }, { name: 'b' }] }
  const pod = templateOf(reconcile(observe(jobWith(spec))), 'Job/brain-worker-a').spec
  const [trainer, network] = [pod.containers[0], pod.initContainers[0]]
  const mounts = (container: { volumeMounts: { name: string }[] }) =>
    container.volumeMounts.map(({ name }) => name)
  assert.deepEqual(trainer.resources.limits, { 'nvidia.com/gpu': '2' })
  assert.equal(trainer.image, 'g:1')
  assert.deepEqual(mounts(trainer), ['seam', 'cache', 'tmp', 'data'])
  assert.deepEqual(mounts(network), ['seam', 'cache', 'tmp-network', 'token'])
  assert.equal(network.restartPolicy, 'Always')
  assert.deepEqual(network.resources.limits, { memory: '1Gi' })
  const claim = { claimName: 'scans', readOnly: true }
  assert.deepEqual(
    pod.volumes.find(({ name }: { name: string }) => name === 'data').persistentVolumeClaim,
    claim,
  )
  assert.ok(!JSON.stringify(trainer.env).includes('NATS'))
})

/** Templates that Restricted refuses. */
const ANY = { ...SETTINGS, podTemplates: 'Any' } as const

test("a user's template is merged last, and does not change the fixed fields", () => {
  const template = {
    metadata: { labels: { team: 'x', 'fedsam.dev/role': 'coordinator' } },
    spec: {
      restartPolicy: 'OnFailure',
      automountServiceAccountToken: true,
      priorityClassName: 'low',
      containers: [{ name: 'trainer', env: [{ name: 'MINE', value: '1' }] }],
      volumes: [{ name: 'token', emptyDir: {} }],
    },
  }
  const desired = reconcile(observe(jobWith({ workers: { template } }), { settings: ANY }))
  const { metadata, spec } = templateOf(desired, 'Job/brain-worker-a')
  assert.equal(metadata.labels.team, 'x')
  assert.equal(metadata.labels['fedsam.dev/role'], 'worker')
  assert.equal(spec.restartPolicy, 'Never')
  assert.equal(spec.automountServiceAccountToken, false)
  assert.equal(spec.priorityClassName, 'low')
  assert.equal(spec.containers.length, 1)
  const names = spec.containers[0].env.map(({ name }: { name: string }) => name)
  assert.ok(names.includes('FEDSAM_DATASET') && names.includes('MINE'))
  assert.ok(spec.volumes.find(({ name }: { name: string }) => name === 'token').projected)
})

// biome-ignore lint/suspicious/noExplicitAny: a rendered template is plain JSON
type Loose = any

/** Pod of partition a, and its containers by name. */
function podOf(spec: object, settings = SETTINGS): { pod: Loose; by: Record<string, Loose> } {
  const pod = templateOf(reconcile(observe(jobWith(spec), { settings })), 'Job/brain-worker-a').spec
  const all: Loose[] = [...pod.initContainers, ...pod.containers]
  return { pod, by: Object.fromEntries(all.map((container) => [container.name, container])) }
}

const variablesOf = ({ env }: Loose): Record<string, string> =>
  Object.fromEntries(env.map(({ name, value }: { name: string; value: string }) => [name, value]))

const STORE = { bucket: 'b', endpoint: 'https://s3:9000', region: 'r', caBundleConfigMapName: 'ca' }
const SITE_A = { name: 'a', source: { s3: { uri: 's3://site-a/x', credentialsSecretName: 'site-keys' } } }

test('a source in a bucket: a sidecar with its own Secret downloads it first, and the trainer mounts it as its data', () => {
  const { pod, by } = podOf({ storage: { s3: STORE }, partitions: [SITE_A, { name: 'b' }] })
  assert.deepEqual(
    pod.initContainers.map(({ name }: Loose) => name),
    ['data', 'network'],
  )
  assert.deepEqual(by.data.envFrom, [{ secretRef: { name: 'site-keys' } }])
  assert.equal(by.data.restartPolicy, 'Always')
  assert.deepEqual(by.data.startupProbe.exec.command, ['test', '-f', '/cache/data.complete'])
  const env = variablesOf(by.data)
  assert.equal(env.FEDSAM_SOURCE_URI, 's3://site-a/x')
  assert.equal(env.FEDSAM_SOURCE_ENDPOINT, 'https://s3:9000')
  assert.equal(env.NODE_EXTRA_CA_CERTS, '/etc/fedsam/store-ca/ca.crt')
  const data = { name: 'cache', mountPath: '/data', subPath: 'data', readOnly: true }
  assert.deepEqual(by.trainer.volumeMounts.at(-1), data)
  assert.ok(
    !JSON.stringify(by.network).includes('site-keys') && !JSON.stringify(by.trainer).includes('site-keys'),
  )
})

test('the network half has the token, and its startup probe lasts until the start deadline', () => {
  const { pod, by } = podOf({ startDeadlineSeconds: 99 })
  const env = variablesOf(by.network)
  assert.deepEqual(
    [env.FEDSAM_SEAM, env.FEDSAM_SCRATCH, env.FEDSAM_CACHE, env.FEDSAM_BASE, env.FEDSAM_SUBJECTS],
    ['/seam', '/seam/scratch', '/cache', 'true', 'fedsam.team.u1'],
  )
  const { failureThreshold, periodSeconds } = by.network.startupProbe
  assert.ok(failureThreshold * periodSeconds >= 99)
  const [{ serviceAccountToken }] = pod.volumes.find(({ name }: Loose) => name === 'token').projected.sources
  assert.equal(serviceAccountToken.audience, 'fedsam.dev/u1/client/a')
  assert.equal(env.FEDSAM_TOKEN_FILE, '/var/run/fedsam/token')
  assert.equal(pod.automountServiceAccountToken, false)
})

test('a built-in trainer: our image by the device, its settings, no credential', () => {
  const cpu = podOf({}).by.trainer
  assert.equal(cpu.image, 'w:1')
  assert.deepEqual(cpu.args.slice(0, 2), ['node', '/app/worker/trainer/main.ts'])
  const { whenUnseen, waitSeconds, checkpoint, cache, dataset, logPreflight } = JSON.parse(cpu.args[2])
  assert.equal(logPreflight, true)
  assert.deepEqual(
    [whenUnseen, waitSeconds, checkpoint, cache, dataset.root],
    [null, 3600, '/cache/base/current', '/cache/embeddings', '/data'],
  )
  const gpu = podOf({ workers: { accelerator: { whenUnseen: 'UseCPU' } } }).by
  assert.equal(gpu.trainer.image, 'g:1')
  assert.equal(gpu.network.image, 'w:1')
  assert.equal(JSON.parse(gpu.trainer.args[2]).whenUnseen, 'UseCPU')
})

test('a partition with a count of 0 has no device, although spec.workers asks for one', () => {
  const spec = {
    workers: { accelerator: { count: 2 } },
    partitions: [{ name: 'a', workers: { accelerator: { count: 0 } } }, { name: 'b' }],
  }
  const { trainer } = podOf(spec).by
  assert.equal(trainer.image, 'w:1')
  assert.deepEqual(trainer.resources.limits, {})
  assert.equal(JSON.parse(trainer.args[2]).whenUnseen, null)
  const other = templateOf(reconcile(observe(jobWith(spec))), 'Job/brain-worker-b').spec.containers[0]
  assert.deepEqual(other.resources.limits, { 'nvidia.com/gpu': '2' })
})

test('a sidecar shares no folder for temporary files with the trainer, and reads no configuration that the trainer could leave', () => {
  const { pod, by } = podOf({ storage: { s3: STORE }, partitions: [SITE_A, { name: 'b' }] })
  const tmpOf = (name: string): string =>
    by[name].volumeMounts.find(({ mountPath }: Loose) => mountPath === '/tmp').name
  assert.deepEqual(['trainer', 'data', 'network'].map(tmpOf), ['tmp', 'tmp-data', 'tmp-network'])
  for (const name of ['data', 'network']) {
    const { HOME, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE } = variablesOf(by[name])
    assert.deepEqual(
      [HOME, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE],
      ['/nonexistent', '/dev/null', '/dev/null'],
    )
    const volume = pod.volumes.find((one: Loose) => one.name === tmpOf(name))
    assert.equal(volume.emptyDir.sizeLimit, '64Mi')
  }
})

test('volumes and sidecars have limits, and a cloud role is for no trainer', () => {
  const { pod, by } = podOf({
    storage: { s3: STORE },
    workers: { cache: { sizeLimit: '3Gi' } },
    partitions: [SITE_A, { name: 'b' }],
  })
  const empty = pod.volumes.filter((volume: Loose) => volume.emptyDir)
  assert.deepEqual(Object.fromEntries(empty.map(({ name, emptyDir }: Loose) => [name, emptyDir.sizeLimit])), {
    seam: '3Gi',
    tmp: '3Gi',
    'tmp-data': '64Mi',
    'tmp-network': '64Mi',
    cache: '3Gi',
  })
  for (const name of ['data', 'network']) assert.equal(by[name].resources.limits.memory, '1Gi')
  const { metadata } = templateOf(
    reconcile(observe(jobWith({ storage: { s3: STORE } }))),
    'Job/brain-worker-a',
  )
  assert.deepEqual(metadata.annotations, { 'eks.amazonaws.com/skip-containers': 'trainer' })
  const coordinator = templateOf(reconcile(observe(jobWith())), 'Job/brain-coordinator')
  for (const { emptyDir } of coordinator.spec.volumes) if (emptyDir) assert.ok(emptyDir.sizeLimit)
})

test("a user's program: its image, its arguments under the script, its variables; no base checkpoint is downloaded for it", () => {
  const command = {
    image: 'u:1',
    command: ['python', 'x.py'],
    args: ['-v'],
    env: [{ name: 'A', value: '1' }],
  }
  const spec = { trainer: { type: 'Command', command }, workers: { accelerator: {} } }
  const { by } = podOf(spec)
  assert.equal(by.trainer.image, 'u:1')
  assert.deepEqual(by.trainer.args, ['python', 'x.py', '-v'])
  assert.equal(by.trainer.command[0], 'sh')
  assert.equal(by.trainer.workingDir, undefined)
  const env = variablesOf(by.trainer)
  assert.deepEqual([env.HOME, env.FEDSAM_CLIENT, env.A], ['/tmp', 'a', '1'])
  assert.deepEqual([env.FEDSAM_PARTITION_ID, env.FEDSAM_NUM_PARTITIONS], [undefined, undefined])
  assert.equal(JSON.parse(env.FEDSAM_DATASET!).root, '/data')
  assert.equal(variablesOf(by.network).FEDSAM_BASE, 'false')
})

test('a partition says its place to an app of Flower by its own template: the pods of others do not change', () => {
  const env = [
    { name: 'FEDSAM_PARTITION_ID', value: '0' },
    { name: 'FEDSAM_NUM_PARTITIONS', value: '2' },
  ]
  const template = { spec: { containers: [{ name: 'trainer', env }] } }
  const { by } = podOf({ partitions: [{ name: 'a', workers: { template } }, { name: 'b' }] })
  const set = variablesOf(by.trainer)
  assert.deepEqual([set.FEDSAM_CLIENT, set.FEDSAM_PARTITION_ID, set.FEDSAM_NUM_PARTITIONS], ['a', '0', '2'])
})

test("all containers have one user, so that each can write to volumes; the partition's securityContext wins", () => {
  const restricted = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }
  assert.deepEqual(podOf({}).pod.securityContext, {
    ...restricted,
    runAsUser: 65532,
    runAsGroup: 65532,
    fsGroup: 65532,
  })
  const partitions = [{ name: 'a', securityContext: { runAsUser: 1000, fsGroup: 2000 } }, { name: 'b' }]
  const { securityContext } = podOf({ partitions }).pod
  assert.deepEqual([securityContext.runAsUser, securityContext.fsGroup], [1000, 2000])
})

test('pull secrets are on every pod', () => {
  const desired = reconcile({ ...observe(jobWith()), settings: { ...SETTINGS, pullSecrets: ['mirror'] } })
  for (const name of ['Job/brain-worker-a', 'Job/brain-coordinator'])
    assert.deepEqual(templateOf(desired, name).spec.imagePullSecrets, [{ name: 'mirror' }])
})

test('the coordinator has a token of its own for the bus', () => {
  const pod = templateOf(reconcile(observe(jobWith())), 'Job/brain-coordinator').spec
  const [container] = pod.containers
  const [{ serviceAccountToken }] = pod.volumes.find(({ name }: Loose) => name === 'token').projected.sources
  assert.equal(serviceAccountToken.audience, 'fedsam.dev/u1/coordinator')
  assert.equal(variablesOf(container).FEDSAM_TOKEN_FILE, '/var/run/fedsam/token')
  assert.ok(container.volumeMounts.some(({ mountPath }: Loose) => mountPath === '/var/run/fedsam'))
})

test('the coordinator: store, bus and checkpoint by their Secrets; requests that fit its limits', () => {
  const spec = {
    storage: { s3: { ...STORE, credentialsSecretName: 'writer' } },
    messaging: { nats: { credentialsSecretName: 'bus', tlsSecretName: 'tls' } },
    trainer: { segmentAnything: { checkpoint: { credentialsSecretName: 'hub' } } },
    coordinator: { resources: { limits: { memory: '1Gi' } } },
  }
  const pod = templateOf(reconcile(observe(jobWith(spec))), 'Job/brain-coordinator').spec
  const [container] = pod.containers
  const env = variablesOf(container)
  assert.deepEqual(container.envFrom, [{ secretRef: { name: 'writer' } }])
  assert.equal(env.FEDSAM_CHECKPOINT_CREDENTIALS, '/etc/fedsam/checkpoint-credentials')
  assert.equal(env.FEDSAM_NATS_CREDS, '/etc/fedsam/nats-credentials/nats.creds')
  assert.equal(env.FEDSAM_NATS_CERT, '/etc/fedsam/nats-tls/tls.crt')
  assert.equal(env.FEDSAM_S3_PREFIX, 'team/brain/u1')
  assert.deepEqual(container.resources, { requests: { cpu: '100m' }, limits: { memory: '1Gi' } })
  assert.equal(container.args, undefined)
  const named = pod.volumes.map(({ name }: Loose) => name)
  assert.deepEqual(named, ['tmp', 'nats-credentials', 'nats-tls', 'store-ca', 'checkpoint-credentials'])
})

test("the trainer's container gets no mount of a credential, even by a template", () => {
  const volumeMounts = [
    { name: 'token', mountPath: '/stolen' },
    { name: 'nats-credentials', mountPath: '/x' },
    { name: 'nats-tls', mountPath: '/y' },
    { name: 'checkpoint-credentials', mountPath: '/z' },
  ]
  const template = {
    spec: {
      containers: [{ name: 'trainer', volumeMounts }],
      initContainers: [{ name: 'network', volumeMounts }],
    },
  }
  const messaging = { nats: { credentialsSecretName: 'bus', tlsSecretName: 'tls' } }
  const { by } = podOf({ workers: { template }, messaging }, ANY)
  const mounts = by.trainer.volumeMounts.map(({ name }: Loose) => name)
  assert.deepEqual(mounts, ['seam', 'cache', 'tmp'])
  // The network half keeps its own, at their own paths, and gets no second one.
  assert.deepEqual(by.network.volumeMounts, podOf({ messaging }).by.network.volumeMounts)
  assert.deepEqual(
    by.network.volumeMounts.map(({ name }: Loose) => name),
    ['seam', 'cache', 'tmp-network', 'nats-credentials', 'nats-tls'],
  )
  // Without a Secret of credentials it has a token in its place.
  assert.deepEqual(
    podOf({ workers: { template } }, ANY).by.network.volumeMounts.map(({ name }: Loose) => name),
    ['seam', 'cache', 'tmp-network', 'token'],
  )
})

test('a claim is mounted read-only at the root of the dataset', () => {
  const source = { persistentVolumeClaim: { claimName: 'scans' } }
  const { by, pod } = podOf({
    partitions: [{ name: 'a', source, dataset: { root: '/scans' } }, { name: 'b' }],
  })
  assert.deepEqual(by.trainer.volumeMounts.at(-1), { name: 'data', mountPath: '/scans', readOnly: true })
  const { persistentVolumeClaim } = pod.volumes.find(({ name }: Loose) => name === 'data')
  assert.deepEqual(persistentVolumeClaim, { claimName: 'scans', readOnly: true })
})
