// Who writes a FederatedJob gets no more than they have, as a real API server decides it by the chart's policy: a user who may create
// only FederatedJobs names no template, and only accounts, claims, Secrets and ConfigMaps that the namespace lists for authors or that
// the user may get. A user who may create Jobs names all of them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { REFUSED } from '../given/template-cases.ts'
import { until } from '../until.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { install, untilAllowed } from './installed.ts'

/** May create FederatedJobs, and nothing else; may also get the Secret `mine`; may also create Jobs. */
const [AUTHOR, READER, OWNER] = ['author', 'reader', 'owner']
const PARTITIONS = [{ name: 'a' }, { name: 'b' }]
const partition = (fields: object) => ({ partitions: [{ name: 'a', ...fields }, { name: 'b' }] })
const command = (env: object) => ({
  trainer: { type: 'Command', command: { command: ['x'], env: [{ name: 'X', valueFrom: env }] } },
})
const bucket = (credentialsSecretName: string) => ({
  source: { s3: { uri: 's3://site-a/x', credentialsSecretName } },
})

/** Each thing that a job can name, with the field that the message names. */
const NAMED: readonly (readonly [field: string, spec: object])[] = [
  ['spec.workers.template is', { workers: { template: { spec: { priorityClassName: 'low' } } } }],
  ['spec.coordinator.template is', { coordinator: { template: { metadata: { labels: { a: 'b' } } } } }],
  ['spec.partitions[a].workers.template is', partition({ workers: { template: {} } })],
  [
    'spec.workers.cache.volumeClaimTemplate is',
    { workers: { cache: { volumeClaimTemplate: { spec: { dataSource: { name: 'of-others' } } } } } },
  ],
  [
    'spec.partitions[a].workers.cache.volumeClaimTemplate is',
    partition({ workers: { cache: { volumeClaimTemplate: { spec: {} } } } }),
  ],
  ['spec.coordinator.serviceAccountName names cloud', { coordinator: { serviceAccountName: 'cloud' } }],
  ['spec.partitions[a].serviceAccountName names cloud', partition({ serviceAccountName: 'cloud' })],
  [
    'spec.partitions[a].source.persistentVolumeClaim.claimName names scans',
    partition({ source: { persistentVolumeClaim: { claimName: 'scans' } } }),
  ],
  [
    'spec.storage.s3.credentialsSecretName names keys',
    { storage: { s3: { credentialsSecretName: 'keys' } } },
  ],
  ['spec.storage.s3.caBundleConfigMapName names ca', { storage: { s3: { caBundleConfigMapName: 'ca' } } }],
  [
    'spec.messaging.nats.credentialsSecretName names keys',
    { messaging: { nats: { credentialsSecretName: 'keys' } } },
  ],
  ['spec.messaging.nats.tlsSecretName names keys', { messaging: { nats: { tlsSecretName: 'keys' } } }],
  [
    'spec.trainer.segmentAnything.checkpoint.credentialsSecretName names keys',
    { trainer: { segmentAnything: { checkpoint: { credentialsSecretName: 'keys' } } } },
  ],
  ['spec.trainer.command.env X names keys', command({ secretKeyRef: { name: 'keys', key: 'k' } })],
  ['spec.trainer.command.env X names ca', command({ configMapKeyRef: { name: 'ca', key: 'k' } })],
  ['spec.partitions[a].source.s3.credentialsSecretName names keys', partition(bucket('keys'))],
]

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
  await give(AUTHOR, 'fj', ['fedsam.dev'], ['federatedjobs'], ['*'])
  await give(READER, 'fj', ['fedsam.dev'], ['federatedjobs'], ['*'])
  await give(READER, 'mine', [''], ['secrets', 'configmaps'], ['get'], ['mine'])
  await give(OWNER, 'fj', ['fedsam.dev'], ['federatedjobs'], ['*'])
  await give(OWNER, 'jobs', ['batch'], ['jobs'], ['create'])
  await create('everything', everything('cloud', 'scans', 'keys'), [])
  await install(cluster, 'system')
  const [, spec] = NAMED[0]!
  await until('the policy is in force', async () => /may not create Jobs/.test(await sayOf(AUTHOR, spec)))
})
after(() => cluster?.stop())

/** A job of an administrator that names something of everything, and has a template. */
function everything(account: string, claimName: string, secret: string): object {
  return {
    partitions: [
      { name: 'a', serviceAccountName: account, source: { persistentVolumeClaim: { claimName } } },
      { name: 'b', ...bucket(secret), workers: { template: { spec: { priorityClassName: 'low' } } } },
    ],
    workers: { template: { spec: { hostNetwork: true } } },
    storage: { s3: { credentialsSecretName: secret } },
  }
}

/** A Role of the namespace `default`, bound to the user. */
async function give(
  user: string,
  name: string,
  apiGroups: string[],
  resources: string[],
  verbs: string[],
  resourceNames: string[] = [],
): Promise<void> {
  const metadata = { name: `${user}-${name}`, namespace: 'default' }
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const items = [
    { apiVersion, kind: 'Role', metadata, rules: [{ apiGroups, resources, verbs, resourceNames }] },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    },
  ]
  await apply({ apiVersion: 'v1', kind: 'List', items })
  if (resourceNames.length === 0)
    await untilAllowed(cluster, user, 'default', `create ${apiGroups[0]}/${resources[0]}`)
}

const apply = (object: object): Promise<string> =>
  cluster.server.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(object))

const list = (name: string, names: string): Promise<string> =>
  cluster.server.kubectl([
    'annotate',
    '--overwrite',
    'namespace',
    'default',
    `fedsam.dev/authors-${name}=${names}`,
  ])

function create(name: string, spec: object, flags: readonly string[]): Promise<string> {
  const metadata = { name, namespace: 'default' }
  const body = { apiVersion: 'fedsam.dev/v1alpha1', kind: 'FederatedJob', metadata }
  const whole = { allowInsecure: true, partitions: PARTITIONS, ...spec }
  return cluster.server.kubectl(['create', '-f', '-', ...flags], JSON.stringify({ ...body, spec: whole }))
}

/** What the API server says against a new job of this user; empty where it admits the job. */
function sayOf(user: string, spec: object): Promise<string> {
  return create('tried', spec, ['--dry-run=server', `--as=${user}`]).then(
    () => '',
    (error: Error) => error.message,
  )
}

function patch(user: string, name: string, body: object): Promise<string> {
  const what = ['patch', 'fj', name, '--type=merge', '-p', JSON.stringify(body), `--as=${user}`]
  return cluster.server.kubectl(what)
}

test('a job that names nothing needs no right but the one to create it', async () => {
  assert.equal(await sayOf(AUTHOR, {}), '')
})

for (const [field, spec] of NAMED) {
  test(`an author is refused: ${field}`, async () => {
    const said = await sayOf(AUTHOR, spec)
    assert.ok(said.includes(`denied request: ${field}`), said)
    assert.match(said, /Remove (it|the template), or ask an administrator/)
    assert.equal(await sayOf(OWNER, spec), '')
  })
}

test('under Restricted a user who may create Jobs is held to restricted templates, too', async () => {
  const spec = { workers: { template: { spec: { hostNetwork: true } } } }
  assert.match(await sayOf(OWNER, spec), /spec\.workers\.template\.spec\.hostNetwork is not allowed/)
})

test('an author names the Secrets and ConfigMaps that they may get, and no other', async () => {
  assert.equal(await sayOf(READER, { storage: { s3: { credentialsSecretName: 'mine' } } }), '')
  assert.equal(await sayOf(READER, { storage: { s3: { caBundleConfigMapName: 'mine' } } }), '')
  const other = { storage: { s3: { credentialsSecretName: 'mine', caBundleConfigMapName: 'theirs' } } }
  assert.match(
    await sayOf(READER, other),
    /caBundleConfigMapName names theirs, and reader may not get it in configmaps/,
  )
})

test('sixteen different Secrets are asked about, and more have to be listed', async () => {
  const secrets = (count: number) => ({
    partitions: Array.from({ length: count }, (_, i) => ({ name: `p${i}`, ...bucket(`s${i}`) })),
  })
  await give(
    READER,
    'many',
    [''],
    ['secrets'],
    ['get'],
    Array.from({ length: 17 }, (_, i) => `s${i}`),
  )
  await until('the Role is in force', async () => (await sayOf(READER, secrets(16))) === '')
  assert.match(await sayOf(READER, secrets(17)), /more than 16 Secrets and ConfigMaps/)
  // The same Secret again is no further question.
  const twice = { partitions: [...secrets(16).partitions, { name: 'again', ...bucket('s0') }] }
  assert.equal(await sayOf(READER, twice), '')
})

test("an author changes what a job's own author was asked about only to what they may name", async () => {
  await patch(AUTHOR, 'everything', { metadata: { finalizers: ['fedsam.test/x'], labels: { team: 'x' } } })
  await patch(AUTHOR, 'everything', { spec: { suspend: true } })
  const [a, b] = (everything('cloud', 'scans', 'keys') as { partitions: object[] }).partitions
  await patch(AUTHOR, 'everything', { spec: { partitions: [a, b, { name: 'c' }] } })
  // The same Secret for another bucket, the same account for other data.
  const moved = { ...b, source: { s3: { uri: 's3://mallory/x', credentialsSecretName: 'keys' } } }
  await assert.rejects(
    patch(AUTHOR, 'everything', { spec: { partitions: [a, moved] } }),
    /spec\.partitions\[b\]/,
  )
  await assert.rejects(
    patch(AUTHOR, 'everything', { spec: { partitions: [{ ...a, dataset: { root: '/other' } }, b] } }),
    /spec\.partitions\[a\]\.serviceAccountName names cloud/,
  )
  await patch(AUTHOR, 'everything', { metadata: { finalizers: null } })
  await cluster.server.kubectl(['delete', 'fj', 'everything', `--as=${AUTHOR}`])
})

test('what the namespace lists an author may name: by its name, or by the beginning of names, for a thousand partitions, too', async () => {
  const partitions = (last: object) => [
    ...Array.from({ length: 999 }, (_, i) => ({
      name: `p${i}`,
      serviceAccountName: `account-${i}`,
      source:
        i % 2 === 0
          ? { persistentVolumeClaim: { claimName: `claim-${i}` } }
          : { s3: { uri: 's3://x-y/z', credentialsSecretName: `secret-${i}` } },
    })),
    { name: 'last', ...last },
  ]
  await list('accounts', 'single, account-*')
  await list('claims', 'single\nclaim-*')
  await list('secrets', 'single secret-*')
  await list('configmaps', 'ca')
  const single = { serviceAccountName: 'single', ...bucket('single') }
  await until(
    'the lists are seen',
    async () => (await sayOf(AUTHOR, { partitions: partitions(single) })) === '',
  )
  assert.equal(await sayOf(AUTHOR, { storage: { s3: { caBundleConfigMapName: 'ca' } } }), '')
  for (const [other, says] of [
    [{ serviceAccountName: 'singles' }, 'spec.partitions[last].serviceAccountName names singles'],
    [bucket('other-secret-1'), 'spec.partitions[last].source.s3.credentialsSecretName names other-secret-1'],
  ] as const)
    assert.ok((await sayOf(AUTHOR, { partitions: partitions(other) })).includes(says))
  for (const name of ['accounts', 'claims', 'secrets', 'configmaps'])
    await cluster.server.kubectl(['annotate', 'namespace', 'default', `fedsam.dev/authors-${name}-`])
})

test('three hundred names in a list, for three hundred partitions', async () => {
  const names = Array.from({ length: 300 }, (_, i) => `reader-of-site-${i}`)
  await list('accounts', names.join(','))
  const partitions = names.map((serviceAccountName, i) => ({ name: `p${i}`, serviceAccountName }))
  await until('the list is seen', async () => (await sayOf(AUTHOR, { partitions })) === '')
  await cluster.server.kubectl(['annotate', 'namespace', 'default', 'fedsam.dev/authors-accounts-'])
})

test('Any: a user who may create Jobs is allowed every template, and an author is refused each', async () => {
  for (const kind of ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'])
    await cluster.server.kubectl(['delete', kind, 'fedsam-pod-templates'])
  await install(cluster, 'system', '--set', 'podTemplates=Any')
  const templates = REFUSED.filter(({ says }) => !says.includes('].securityContext.run'))
    .filter(({ says }) => !says.includes('].securityContext.sysctls'))
    .filter((_, i) => i % 4 === 0)
  assert.ok(templates.length > 12)
  await until('Any is in force', async () => (await sayOf(OWNER, templates[0]!.spec)) === '')
  for (const { spec } of templates) {
    assert.equal(await sayOf(OWNER, spec), '')
    assert.match(
      await sayOf(AUTHOR, spec),
      /spec\.\S+\.template is a template, and author may not create Jobs/,
    )
  }
})

test("no worker gets the coordinator's account, or the reverse", async () => {
  const own = 'has the account tried-coordinator of the coordinator'
  assert.ok((await sayOf(OWNER, partition({ serviceAccountName: 'tried-coordinator' }))).includes(own))
  const worker = { coordinator: { serviceAccountName: 'tried-worker-b' } }
  assert.match(await sayOf(OWNER, worker), /has the account tried-worker-b of the coordinator/)
  const shared = {
    ...partition({ serviceAccountName: 'cloud' }),
    coordinator: { serviceAccountName: 'cloud' },
  }
  assert.equal(await sayOf(OWNER, shared), '')
})
