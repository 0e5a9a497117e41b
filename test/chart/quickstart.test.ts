// The quickstart as it is rendered, and its servers run for real: the cached programs with the container's own arguments, environment
// and certificates, as its user, on a folder as the kubelet makes it.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { of, podOf, type Rendered, render, values } from './helm.ts'
import {
  decoded,
  freePort,
  mountSecret,
  one,
  running,
  swapped,
  tenantServer,
  trusting,
  withFolder,
} from './servers.ts'

test('nats-server starts with the arguments of its container, and speaks TLS alone', async () => {
  const objects = await render(...values('quickstart'))
  const [container] = podOf(objects, 'fedsam-nats').containers
  assert.equal(basename(container!.command![0]!), 'nats-server')
  assert.ok(!JSON.stringify(container).includes('8222'))
  const port = await freePort()
  await withFolder(async (folder) => {
    await mountSecret(folder, one(objects, 'Secret', 'fedsam-nats-tls'))
    // As a job's pod mounts it.
    const caFile = join(folder, 'tenant-ca.crt')
    await writeFile(caFile, decoded(one(objects, 'Secret', 'fedsam-ca', 'default'))['ca.crt']!)
    const args = swapped(container!.args!, {
      '4222': String(port),
      '/etc/nats-tls/tls.crt': join(folder, 'tls.crt'),
      '/etc/nats-tls/tls.key': join(folder, 'tls.key'),
    })
    await running('nats-server', [folder, args, {}], port, async () => {
      const bus = await connectNats({ url: `tls://127.0.0.1:${port}`, tls: { caFile } })
      try {
        await bus.serve('a.*', async (_, body) => body)
        const answer = await bus.request('a.b', Buffer.from('here'), { timeoutMs: 120_000 })
        assert.equal(Buffer.from(answer).toString(), 'here')
      } finally {
        await bus.close()
      }
      const unknown = connectNats({ url: `tls://127.0.0.1:${port}`, connectTimeoutMs: 60_000 })
      await assert.rejects(unknown, { code: 'MessagingUnreachable', remedy: /tlsSecretName/ })
    })
  })
})

test('versitygw starts with the arguments of its container, its bucket is there, and it keeps what a store promises', async () => {
  const objects = await render(...values('quickstart-kept'))
  await tenantServer(objects, 'team-a', async (place) => {
    await assert.rejects(checkGuarantees(openS3Store(place)), { remedy: /caBundleConfigMapName/ })
    await trusting(objects, 'team-a', async () => {
      const health = await fetch(`${place.endpoint}/healthz`)
      assert.equal(health.status, 200)
      const store = openS3Store({ ...place, prefix: 'try' })
      await checkGuarantees(store)
      assert.equal(await store.put('a', Buffer.from('kept')), 'Created')
      assert.equal(Buffer.from((await store.get('a'))!).toString(), 'kept')
      await store.close()
    })
  })
})

test('servers are found by their Services, and let in on their ports alone', async () => {
  const objects = await render(...values('quickstart'))
  for (const [name, port] of [
    ['nats', 4222],
    ['s3-default', 7070],
  ] as const) {
    const named = (kind: string) => one(objects, kind, `fedsam-${name}`)
    const labels = named('Deployment').spec.template.metadata.labels
    const [served] = named('Service').spec.ports
    assert.deepEqual(named('Service').spec.selector, labels)
    assert.equal(served.port, port)
    const { ports } = named('Deployment').spec.template.spec.containers[0]
    assert.deepEqual(ports, [{ name: served.targetPort, containerPort: port }])
    const policy = named('NetworkPolicy').spec
    assert.deepEqual(policy.podSelector.matchLabels, labels)
    assert.deepEqual(policy.policyTypes, ['Ingress', 'Egress'])
    assert.equal(policy.egress, undefined)
    assert.deepEqual(policy.ingress[0].ports, [{ port: served.targetPort, protocol: 'TCP' }])
  }
})

const named = (...namespaces: string[]): object[] =>
  namespaces.map((name) => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } }))

test('each tenant has a server that only its pods reach; all reach nats-server; default where none is named', async () => {
  const cases: readonly (readonly [tenants: readonly string[], flags: readonly string[]])[] = [
    [['default'], []],
    [
      ['team-a', 'team-b'],
      ['--set', 'quickstart.namespaces={team-a,team-b}'],
    ],
    [
      ['team-b', 'team-a'],
      [
        ...['--set', 'watchNamespaces={team-b}', '--set', 'quickstart.namespaces={team-a,team-b}'],
        ...['--set', 'rbac.aggregate=false'],
      ],
    ],
  ]
  for (const [tenants, flags] of cases) {
    const objects = await render(...values('quickstart'), ...flags)
    const from = (name: string): unknown => one(objects, 'NetworkPolicy', name).spec.ingress[0].from
    assert.deepEqual(from('fedsam-nats'), named(...tenants))
    for (const tenant of tenants) assert.deepEqual(from(`fedsam-s3-${tenant}`), named(tenant))
    const servers = of(objects, 'Deployment').filter(({ metadata }) => metadata.name.includes('-s3-'))
    assert.equal(servers.length, tenants.length)
    assert.equal(new Set(servers.map(({ spec }) => JSON.stringify(spec.selector))).size, tenants.length)
  }
})

test('a tenant gets its own keys and the authority, and no other Secret', async () => {
  const objects = await render(...values('quickstart'), '--set', 'quickstart.namespaces={team-a,team-b}')
  const inTenant = (tenant: string): string[] =>
    objects
      .filter(({ metadata }) => metadata.namespace === tenant)
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
      .sort()
  for (const tenant of ['team-a', 'team-b'])
    assert.deepEqual(inTenant(tenant), [
      'ConfigMap fedsam-ca',
      'Secret fedsam-ca',
      'Secret fedsam-s3-credentials',
    ])
  const keys = (tenant: string) => decoded(one(objects, 'Secret', 'fedsam-s3-credentials', tenant))
  assert.deepEqual(Object.keys(keys('team-a')), ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
  assert.notEqual(keys('team-a').AWS_SECRET_ACCESS_KEY, keys('team-b').AWS_SECRET_ACCESS_KEY)
  const authority = decoded(one(objects, 'Secret', 'fedsam-authority'))
  assert.deepEqual(decoded(one(objects, 'Secret', 'fedsam-ca', 'team-a')), { 'ca.crt': authority['ca.crt'] })
  // No pod mounts the authority's key.
  assert.ok(!JSON.stringify(of(objects, 'Deployment')).includes('fedsam-authority'))
})

test('a long name of a namespace gives a name that a Service may have', async () => {
  const long = 'n'.repeat(63)
  const objects = await render(
    ...values('quickstart'),
    '--set',
    `quickstart.namespaces={${long},${long.slice(1)}}`,
  )
  const names = of(objects, 'Service').map(({ metadata }) => metadata.name)
  assert.equal(new Set(names).size, 3)
  assert.ok(names.every((name) => name.length <= 63))
})

test('the bucket is on a claim where a size is given, else it is lost with its pod', async () => {
  const volumes = (objects: readonly Rendered[], name: string) =>
    (podOf(objects, name) as unknown as { volumes: { name: string }[] }).volumes.filter(
      (volume) => volume.name === 'data',
    )
  const kept = await render(...values('quickstart-kept'))
  const [claim] = of(kept, 'PersistentVolumeClaim')
  assert.equal(claim!.spec.resources.requests.storage, '10Gi')
  const name = claim!.metadata.name
  assert.deepEqual(volumes(kept, name), [{ name: 'data', persistentVolumeClaim: { claimName: name } }])
  const plain = await render(...values('quickstart'))
  assert.deepEqual(of(plain, 'PersistentVolumeClaim'), [])
  assert.deepEqual(volumes(plain, 'fedsam-s3-default'), [{ name: 'data', emptyDir: { sizeLimit: '20Gi' } }])
})

test('keys are those that are given, else new ones', async () => {
  const keysOf = (objects: readonly Rendered[], tenant: string): Record<string, string> =>
    decoded(one(objects, 'Secret', 'fedsam-s3-credentials', tenant))
  const given = keysOf(await render(...values('quickstart-kept')), 'team-a')
  assert.deepEqual(given, { AWS_ACCESS_KEY_ID: 'first', AWS_SECRET_ACCESS_KEY: 'secret-of-the-first' })
  const made = async () => keysOf(await render(...values('quickstart')), 'default')
  const [first, other] = [await made(), await made()]
  assert.match(first.AWS_SECRET_ACCESS_KEY!, /^\w{40}$/)
  assert.notEqual(first.AWS_SECRET_ACCESS_KEY, other.AWS_SECRET_ACCESS_KEY)
})

test('an authority that is given issues the certificates; without its key it is refused', async () => {
  const made = decoded(one(await render(...values('quickstart')), 'Secret', 'fedsam-authority'))
  await withFolder(async (folder) => {
    const [ca, key] = [join(folder, 'ca.crt'), join(folder, 'ca.key')]
    await writeFile(ca, made['ca.crt']!)
    await writeFile(key, made['ca.key']!)
    const flags = ['--set-file', `quickstart.tls.ca=${ca}`]
    const objects = await render(...values('quickstart'), ...flags, '--set-file', `quickstart.tls.key=${key}`)
    const { 'ca.crt': authority, 'tls.crt': certificate } = decoded(one(objects, 'Secret', 'fedsam-nats-tls'))
    assert.equal(authority, made['ca.crt'])
    assert.ok(new X509Certificate(certificate!).verify(new X509Certificate(authority!).publicKey))
    await assert.rejects(render(...values('quickstart'), ...flags), /quickstart\.tls\.key is needed/)
  })
})
