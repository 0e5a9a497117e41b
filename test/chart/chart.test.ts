// The chart held to its promises, for every file of values/ and by Helm 3 and 4: it lints and renders, to the same objects, refuses
// values that it does not know, grants nothing on Secrets, and runs only pods that the restricted Pod Security level admits.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { readEnvironment } from '#operator/environment.ts'
import { DEFAULT_PEERS } from '#operator/reconcile/pods/network-policies.ts'
import { HELM_LINES, type HelmLine } from '#scripts/helm.ts'
import {
  assertRestricted,
  CHART,
  environment,
  helm,
  lint,
  of,
  podOf,
  podsOf,
  type Rendered,
  type Rule,
  render,
  renderBy,
  valueFiles,
  values,
} from './helm.ts'

const CRD = fileURLToPath(new URL('../../crds/fedsam.dev_federatedjobs.yaml', import.meta.url))

/** Whether a rule reaches Secrets: by name or by a wildcard in the core group. */
function reachesSecrets({ apiGroups, resources }: Rule): boolean {
  const named = resources.some((resource) => resource === '*' || resource.split('/')[0] === 'secrets')
  return named && apiGroups.some((group) => group === '' || group === '*')
}

/** The quickstart's keys and certificates are made at random where none are given. */
const withoutKeys = (objects: readonly Rendered[]): unknown[] => {
  const others = objects.map((object) =>
    ['Secret', 'ConfigMap'].includes(object.kind) ? { ...object, data: {} } : object,
  )
  return JSON.parse(
    JSON.stringify(others).replace(/("checksum\/(?:credentials|certificate)":)"[0-9a-f]{64}"/g, '$1""'),
  )
}

for (const name of await valueFiles()) {
  test(`${name}: lints, renders the same by each Helm, grants no Secrets, runs restricted pods`, async () => {
    for (const line of HELM_LINES) await lint(line, ...values(name))
    const objects = await render(...values(name))
    assert.deepEqual(withoutKeys(await renderBy(4, ...values(name))), withoutKeys(objects))
    const rules = objects.flatMap((object) => object.rules ?? [])
    assert.ok(rules.length >= 9)
    assert.deepEqual(rules.filter(reachesSecrets), [])
    assert.ok(
      rules.every(({ verbs }) => !verbs.some((verb) => /^(\*|escalate|bind|impersonate)$/.test(verb))),
    )
    const tries = of(objects, 'Deployment').some(({ metadata }) => metadata.name === 'fedsam-nats')
    // The signing key; the authority, the certificate of NATS, the gate's keys, and for the one tenant: its server's, its keys, the authority.
    const alone =
      tries && !of(objects, 'Deployment').some(({ metadata }) => metadata.name.startsWith('fedsam-s3-'))
    assert.equal(of(objects, 'Secret').length, alone ? 4 : tries ? 7 : 1)
    const pods = podsOf(objects)
    // The operator, the test, NATS, the gate, and the quickstart's S3 server.
    assert.equal(pods.length, alone ? 4 : tries ? 5 : 2)
    for (const pod of pods) assertRestricted(pod)
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`)
    assert.equal(new Set(names).size, names.length)
  })
}

test('the cluster gets the CRD as it is in crds/, kept at uninstall unless told otherwise', async () => {
  const source = parse(await readFile(CRD, 'utf8'))
  const [kept] = of(await render(), 'CustomResourceDefinition')
  assert.deepEqual(kept?.spec, source.spec)
  assert.equal(kept?.metadata.annotations?.['helm.sh/resource-policy'], 'keep')
  const [loose] = of(await render(...values('own-account')), 'CustomResourceDefinition')
  assert.deepEqual(loose, source)
  assert.deepEqual(of(await render(...values('bare')), 'CustomResourceDefinition'), [])
})

test('watched namespaces: the same rules as Roles there, none for the cluster', async () => {
  const everywhere = of(await render(), 'ClusterRole').find(({ metadata }) => metadata.name === 'fedsam')
  const objects = await render(...values('namespaced'))
  const roles = of(objects, 'Role').filter(({ metadata }) => metadata.name === 'fedsam')
  assert.deepEqual(
    roles.map(({ metadata }) => metadata.namespace),
    ['team-a', 'team-b'],
  )
  for (const { rules } of roles) assert.deepEqual(rules, everywhere?.rules)
  assert.deepEqual([...of(objects, 'ClusterRole'), ...of(objects, 'ClusterRoleBinding')], [])
  assert.equal(environment(podOf(objects, 'fedsam')).FEDSAM_WATCH_NAMESPACES, 'team-a,team-b')
})

test('registry, digest and pull secrets reach the operator and, through it, the pods of jobs', async () => {
  const objects = await render(...values('mirrored'))
  for (const { containers, imagePullSecrets } of podsOf(objects)) {
    assert.match(containers[0]!.image, /^mirror\.test\/hub\/[a-z]/)
    assert.deepEqual(imagePullSecrets, [{ name: 'pull' }])
  }
  const [server] = podOf(objects, 'fedsam-nats').containers
  assert.match(server!.image, /^mirror\.test\/hub\/library\/nats:\d/) // no docker.io in it any more
  const variables = environment(podOf(objects, 'fedsam'))
  assert.equal(variables.FEDSAM_WORKER_IMAGE, `mirror.test/hub/fedsam/worker@sha256:${'a'.repeat(64)}`)
  assert.match(variables.FEDSAM_COORDINATOR_IMAGE ?? '', /^mirror\.test\/hub\/fedsam\/coordinator:\d/)
  assert.equal(variables.FEDSAM_IMAGE_PULL_SECRETS, 'pull')
  assert.equal(variables.FEDSAM_IMAGE_PULL_POLICY, 'Always')
})

test('an image without registry and digest is refused by name', async () => {
  const plain = (line: HelmLine, ...flags: readonly string[]): Promise<string> =>
    helm(line, ['template', 'fedsam', CHART, '--kube-version', '1.34.4', ...flags])
  const digest = `sha256:${'a'.repeat(64)}`
  const each = (field: string, value: (name: string) => string): string[] =>
    ['operator', 'coordinator', 'worker', 'workerGpu'].flatMap((name) => [
      '--set',
      `images.${name}.${field}=${value(name)}`,
    ])
  for (const line of HELM_LINES) {
    await assert.rejects(plain(line), /image fedsam\/\w+ names no registry.*set images\.registry/s)
    await plain(line, '--set', 'images.registry=registry.test')
    await plain(line, ...each('digest', () => digest))
    await plain(line, ...each('repository', (name) => `registry.test:5000/${name}`))
    await plain(line, ...each('repository', (name) => `localhost/${name}`))
    const last = ['--set', 'images.workerGpu.repository=team/worker-gpu']
    await assert.rejects(
      plain(line, ...each('repository', (name) => `registry.test/${name}`), ...last),
      /team\/worker-gpu/,
    )
    const nats = ['--set', 'quickstart.enabled=true', '--set', 'quickstart.nats.image.repository=nats']
    await assert.rejects(
      plain(line, ...each('digest', () => digest), ...nats),
      /image nats names no registry/,
    )
  }
})

test('the quickstart runs where the operator may; replicas keep apart unless told otherwise', async () => {
  const objects = await render(...values('two-replicas'), '--set', 'quickstart.enabled=true')
  const fields = ['nodeSelector', 'tolerations'] as const
  for (const name of ['fedsam', 'fedsam-nats', 'fedsam-s3-default']) {
    const pod = podOf(objects, name) as unknown as Record<string, unknown>
    assert.deepEqual(
      fields.map((field) => pod[field]),
      [{ 'kubernetes.io/os': 'linux' }, [{ key: 'dedicated', operator: 'Exists' }]],
    )
  }
  const spread = (pod: object) =>
    (pod as { topologySpreadConstraints: { topologyKey: string }[] }).topologySpreadConstraints.map(
      ({ topologyKey }) => topologyKey,
    )
  assert.deepEqual(spread(podOf(objects, 'fedsam')), ['topology.kubernetes.io/zone'])
  assert.deepEqual(spread(podOf(await render(), 'fedsam')), ['kubernetes.io/hostname'])
})

test('the operator takes part in an election, and listens on the ports of the values', async () => {
  const objects = await render(...values('two-replicas'))
  const [deployment] = of(objects, 'Deployment')
  assert.equal(deployment!.spec.replicas, 2)
  const pod = podOf(objects, 'fedsam')
  const variables = environment(pod)
  assert.equal(variables.FEDSAM_LEADER_ELECTION, 'true')
  assert.equal(variables.FEDSAM_QPS, '50')
  const { ports, readinessProbe, livenessProbe } = deployment!.spec.template.spec.containers[0]
  assert.deepEqual(ports, [
    { name: 'metrics', containerPort: Number(variables.FEDSAM_METRICS_PORT) },
    { name: 'probes', containerPort: Number(variables.FEDSAM_PROBE_PORT) },
  ])
  assert.deepEqual([readinessProbe.httpGet.path, livenessProbe.httpGet.path], ['/readyz', '/livez'])
})

test('the admission policy covers all of the status but training', async () => {
  const source = parse(await readFile(CRD, 'utf8'))
  const status = source.spec.versions[0].schema.openAPIV3Schema.properties.status.properties as object
  const [policy] = of(await render(), 'ValidatingAdmissionPolicy')
  const covered = policy!.spec.validations.map(({ expression }: { expression: string }) => {
    const field = /^object\.\?status\.\?(\w+) == oldObject\.\?status\.\?(\w+)$/.exec(expression)
    assert.equal(field?.[1], field?.[2], expression)
    return field?.[1]
  })
  assert.deepEqual([...covered, 'training'].sort(), Object.keys(status).sort())
  const [{ resources }] = policy!.spec.matchConstraints.resourceRules
  assert.deepEqual(resources, ['federatedjobs/status'])
  assert.match(JSON.stringify(policy!.spec.matchConditions), /'system:serviceaccount:system:fedsam'/)
})

const MONITORING = 'metrics.from[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring'

test('no pod reaches metrics but the peers that are named, of the operator and, through it, of coordinators', async () => {
  const peer = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }
  for (const [flags, peers] of [
    [[], []],
    [['--set', MONITORING], [peer]],
  ] as const) {
    const objects = await render(...flags)
    const [policy] = of(objects, 'NetworkPolicy')
    const open = policy!.spec.ingress.filter(({ ports }: { ports: { port: string }[] }) =>
      ports.some(({ port }) => port === 'metrics'),
    )
    assert.deepEqual(open, peers.length === 0 ? [] : [{ from: peers, ports: [{ port: 'metrics' }] }])
    const variables = environment(podOf(objects, 'fedsam'))
    assert.deepEqual(JSON.parse(variables.FEDSAM_METRICS_PEERS!), peers)
    // What the chart says is what the operator does without it.
    const images = ['COORDINATOR', 'WORKER', 'WORKER_GPU'].map((kind) => [`FEDSAM_${kind}_IMAGE`, 'image:1'])
    const { settings } = readEnvironment({ ...variables, ...Object.fromEntries(images) }, 'u')
    assert.deepEqual(settings.peers, { ...DEFAULT_PEERS, metrics: peers })
  }
})

test('operator and coordinators reach the API server and DNS at the peers that are named', async () => {
  const egress = (objects: readonly Rendered[]) => of(objects, 'NetworkPolicy')[0]!.spec.egress
  const [dns, api] = egress(await render())
  assert.deepEqual([dns.to, api.to], [DEFAULT_PEERS.dns, undefined])
  const flags = ['networkPolicy.apiServer[0].ipBlock.cidr=10.0.0.1/32', 'networkPolicy.inside={10.0.0.0/8}']
  const objects = await render(...flags.flatMap((flag) => ['--set', flag]))
  const peers = [{ ipBlock: { cidr: '10.0.0.1/32' } }]
  assert.deepEqual(egress(objects)[1].to, peers)
  const variables = environment(podOf(objects, 'fedsam'))
  assert.deepEqual(JSON.parse(variables.FEDSAM_API_SERVER_PEERS!), peers)
  assert.equal(variables.FEDSAM_INSIDE_RANGES, '10.0.0.0/8')
})

test('monitors, budget and aggregated roles are there when asked for', async () => {
  const plain = await render()
  for (const kind of ['ServiceMonitor', 'PodMonitor', 'PodDisruptionBudget']) {
    assert.deepEqual(of(plain, kind), [], kind)
  }
  const watched = await render(...values('watched'))
  for (const kind of ['ServiceMonitor', 'PodMonitor']) {
    const [monitor] = of(watched, kind)
    assert.equal(monitor?.metadata.labels?.release, 'prometheus', kind)
  }
  assert.equal(of(await render(...values('two-replicas')), 'PodDisruptionBudget').length, 1)
  const aggregated = (objects: readonly Rendered[]) =>
    of(objects, 'ClusterRole').flatMap(({ metadata }) =>
      Object.keys(metadata.labels ?? {}).filter((label) => label.includes('aggregate-to-')),
    )
  assert.equal(aggregated(plain).length, 3)
  assert.equal(aggregated(await render(...values('bare'))).length, 0)
})

test('values that are wrong are refused, by name', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['operator.replicas=3', /replicas/],
    ['operator.replica=1', /replica/],
    ['images.worker.digest=latest', /digest/],
    ['images.pullPolicy=Sometimes', /pullPolicy/],
    ['watchNamespaces={Team_A}', /watchNamespaces/],
    ['metrics.podMonitor.interval=soon', /interval/],
    ['networkPolicy.apiServerPorts={70000}', /apiServerPorts/],
    ['networkPolicy.dns[0].namespace=kube-system', /dns/],
    ['metrics.from={monitoring}', /from/],
    ['networkPolicy.inside={pods}', /inside/],
    ['networkPolicy.servers[0].url=x', /servers/],
    ['quickstart.namespaces={Team_A}', /namespaces/],
    ['serviceAccount.create=false', /serviceAccount\.name is needed/],
    ['quickstart.s3.bucket=No_Bucket', /bucket/],
    ['quickstart.s3.storage=much', /storage/],
    ['surprise=1', /surprise/],
  ]
  for (const [setting, words] of cases)
    for (const line of HELM_LINES) await assert.rejects(renderBy(line, '--set', setting), words, setting)
})

test('a cluster that is too old is refused', async () => {
  await assert.rejects(render('--kube-version', '1.30.0'), /incompatible with Kubernetes v1\.30\.0/)
})
