// The quickstart as it is rendered, and its servers run for real: the cached programs with the container's own arguments, environment
// and certificates, as its user, on a folder as the kubelet makes it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import type { Admitted } from '#gate/authenticators/authenticator.ts'
import { createCallout } from '#gate/callout.ts'
import { readKeys } from '#gate/environment.ts'
import { CALLOUT_SUBJECT } from '#gate/server-config.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { environment, of, podOf, type Rendered, render, values } from './helm.ts'
import {
  decoded,
  freePort,
  mountSecret,
  one,
  running,
  tenantServer,
  trusting,
  withFolder,
} from './servers.ts'

/** The verdict of a gate that knows everybody. */
const ADMITTED: Admitted = {
  kind: 'Admitted',
  name: 'somebody',
  permissions: { publish: ['a.b', 'in.>'], subscribe: ['a.*', 'in.>'] },
  seconds: 600,
  connections: ['STANDARD'],
}

test('nats-server starts with the configuration of its pod, speaks TLS alone, and admits only whom the gate admits', async () => {
  const objects = await render(...values('quickstart'))
  const pod = podOf(objects, 'fedsam-nats')
  const [container, configure] = [pod.containers[0]!, pod.initContainers![0]!]
  assert.equal(basename(container.command![0]!), 'nats-server')
  assert.deepEqual(container.args, ['--config', '/etc/nats/nats.conf'])
  assert.ok(!JSON.stringify(pod).includes('8222'))
  const port = await freePort()
  await withFolder(async (folder) => {
    await mountSecret(folder, one(objects, 'Secret', 'fedsam-nats-tls'))
    // As a job's pod mounts it.
    const caFile = join(folder, 'tenant-ca.crt')
    await writeFile(caFile, decoded(one(objects, 'Secret', 'fedsam-ca', 'default'))['ca.crt']!)
    const seeds = one(objects, 'Secret', 'fedsam-gate').data!
    for (const [name, seed] of Object.entries(seeds))
      await writeFile(join(folder, name), Buffer.from(seed, 'base64'))
    const here: Record<string, string> = {
      '/etc/gate-seeds': folder,
      '/etc/nats/nats.conf': join(folder, 'nats.conf'),
      '/etc/nats-tls': folder,
      '4222': String(port),
    }
    const env = Object.fromEntries(configure.env!.map(({ name, value }) => [name, here[value!]!]))
    execFileSync(configure.command![0]!, configure.command!.slice(1), {
      env: { PATH: process.env.PATH, ...env },
    })
    assert.ok(!(await readFile(join(folder, 'nats.conf'), 'utf8')).includes('http'))
    const url = `tls://127.0.0.1:${port}`
    await running('nats-server', [folder, ['--config', join(folder, 'nats.conf')], {}], port, async () => {
      const stranger = connectNats({ url, tls: { caFile }, connectTimeoutMs: 60_000 })
      await assert.rejects(stranger, { code: 'MessagingUnreachable', message: /Authorization Violation/ })
      const { issuer, user } = await readKeys(folder)
      const gate = await connectNats({
        url,
        tls: { caFile },
        credentials: { nkeySeed: user.seed },
        group: 'gate',
      })
      const answer = createCallout({ issuer, authenticators: [async () => ADMITTED], onVerdict: () => {} })
      await gate.serve(CALLOUT_SUBJECT, (_, body) => answer(body))
      const bus = await connectNats({ url, tls: { caFile } })
      try {
        await bus.serve('a.*', async (_, body) => body)
        const here = await bus.request('a.b', Buffer.from('here'), { timeoutMs: 120_000, inbox: 'in' })
        assert.equal(Buffer.from(here).toString(), 'here')
      } finally {
        await bus.close()
        await gate.close()
      }
      const unknown = connectNats({ url, connectTimeoutMs: 60_000 })
      await assert.rejects(unknown, { code: 'MessagingUnreachable', remedy: /tlsSecretName/ })
    })
  })
})

test('the gate is the pod that its configuration, its policy and its rights name', async () => {
  for (const name of ['quickstart', 'gate']) {
    const objects = await render(...values(name))
    const { template, replicas } = one(objects, 'Deployment', 'fedsam-gate').spec
    assert.equal(replicas, name === 'gate' ? 1 : 2)
    const variables = environment(template.spec)
    const secret = name === 'gate' ? 'keys-of-the-gate' : 'fedsam-gate'
    const seeds = (pod: string) =>
      one(objects, 'Deployment', pod).spec.template.spec.volumes.find(
        (volume: { name: string }) => volume.name === 'seeds',
      )
    assert.deepEqual(
      [seeds('fedsam-gate').secret.secretName, seeds('fedsam-nats').secret.secretName],
      [secret, secret],
    )
    assert.equal(variables.FEDSAM_NATS_URL, 'tls://fedsam-nats.system.svc:4222')
    assert.equal(variables.FEDSAM_WATCH_NAMESPACES, name === 'gate' ? 'team-a' : '')
    const kind = name === 'gate' ? 'Role' : 'ClusterRole'
    const roles = of(objects, kind).filter(({ metadata }) => metadata.name === 'fedsam-gate')
    assert.deepEqual(
      roles.map(({ metadata, rules }) => [metadata.namespace, rules]),
      [
        [
          name === 'gate' ? 'team-a' : undefined,
          [{ apiGroups: ['fedsam.dev'], resources: ['federatedjobs'], verbs: ['list', 'watch'] }],
        ],
      ],
    )
    const policy = one(objects, 'NetworkPolicy', 'fedsam-gate').spec
    assert.deepEqual(policy.podSelector.matchLabels, template.metadata.labels)
    assert.equal(policy.ingress, undefined)
    const nats = one(objects, 'Deployment', 'fedsam-nats').spec.template.metadata.labels
    assert.deepEqual(policy.egress[1], {
      ports: [{ port: 'nats', protocol: 'TCP' }],
      to: [{ podSelector: { matchLabels: nats } }],
    })
  }
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

const GATE = [
  {
    podSelector: {
      matchLabels: {
        'app.kubernetes.io/name': 'fedsam',
        'app.kubernetes.io/instance': 'fedsam',
        'app.kubernetes.io/component': 'gate',
      },
    },
  },
]

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
    assert.deepEqual(from('fedsam-nats'), [...GATE, ...named(...tenants)])
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
