// The chart of a site, with the values of its how-to page, by Helm 3 and 4: it lints and renders, the agent accepts the file that it
// renders, each path of that file is mounted, the pod is restricted, its network has one way out, and wrong values are refused by name.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readSite } from '#cli/site/load.ts'
import { HELM_LINES, type HelmLine } from '#scripts/helm.ts'
import type { Site } from '#site/file/site.ts'
import {
  assertRestricted,
  helm,
  objectsOf,
  of,
  podsOf,
  type Rendered,
  SITE_CHART,
  siteValues,
} from './helm.ts'

let folder: string
let given: readonly string[]
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-site-chart-'))
  given = await siteValues(folder)
})
after(() => rm(folder, { recursive: true }))

const set = (...settings: readonly string[]): string[] => settings.flatMap((setting) => ['--set', setting])

/** The release of the how-to page, with further flags. */
async function render(line: HelmLine, ...flags: readonly string[]): Promise<Rendered[]> {
  return objectsOf(line, ['fedsam-site', SITE_CHART, '--namespace', 'hospital'], [...given, ...flags])
}

const one = (objects: readonly Rendered[], kind: string): Rendered => {
  const [found, ...more] = of(objects, kind)
  assert.equal(more.length, 0)
  return found ?? assert.fail(kind)
}

/** The site as the agent reads it. */
function siteOf(objects: readonly Rendered[]): Site {
  const { stringData } = one(objects, 'Secret') as Rendered & { stringData: Record<string, string> }
  assert.deepEqual(Object.keys(stringData), ['site.yaml'])
  return readSite('/etc/fedsam-site/site.yaml', Buffer.from(stringData['site.yaml']!))
}

interface Mount {
  readonly mountPath: string
  readonly name: string
  readonly readOnly?: boolean
  readonly subPath?: string
}

/** The volume behind a path of the agent's container. */
function mountedAt(objects: readonly Rendered[], path: string): { mount: Mount; volume: object } {
  const { containers, volumes } = one(objects, 'Deployment').spec.template.spec
  const mount: Mount = containers[0].volumeMounts.find(({ mountPath }: Mount) =>
    `${path}/`.startsWith(`${mountPath}/`),
  )
  assert.ok(mount, `nothing is mounted at ${path}`)
  const { name, ...volume } = volumes.find((one: { name: string }) => one.name === mount.name)
  assert.equal(name, mount.name)
  return { mount, volume }
}

for (const line of HELM_LINES) {
  test(`Helm ${line}: it lints, and renders a restricted pod without a token of the API server`, async () => {
    await helm(line, ['lint', '--strict', SITE_CHART, ...given])
    const objects = await render(line)
    assert.deepEqual(objects.map(({ kind }) => kind).sort(), [
      'Deployment',
      'NetworkPolicy',
      'PersistentVolumeClaim',
      'Secret',
    ])
    const [pod] = podsOf(objects)
    assertRestricted(pod!)
    assert.equal((pod as { automountServiceAccountToken?: boolean }).automountServiceAccountToken, false)
    const { replicas, strategy, template } = one(objects, 'Deployment').spec
    assert.deepEqual([replicas, strategy], [1, { type: 'Recreate' }])
    // The agent ends by itself 30 s after SIGTERM (cli/run/interrupts.ts).
    assert.ok(template.spec.terminationGracePeriodSeconds > 30)
    assert.equal(pod!.containers[0]!.image, 'registry.example.com/fedsam/site:0.1.0')
  })
}

test('the agent reads the file, and each of its paths is mounted: data read-only, the state for writing', async () => {
  const objects = await render(3)
  const { key, folder: state, datasets, federations } = siteOf(objects)
  assert.deepEqual(datasets.brain!.labels, [2])
  assert.deepEqual(datasets.brain!.limits, { updates: 500, updatesPerDay: 50, smallestCohort: 3 })
  assert.equal(federations[0]!.bus, 'wss://fed.example.org/bus')
  const data = mountedAt(objects, datasets.brain!.path)
  assert.equal(data.mount.readOnly, true)
  assert.deepEqual(data.volume, { persistentVolumeClaim: { claimName: 'brain-scans', readOnly: true } })
  const kept = mountedAt(objects, state)
  assert.equal(kept.mount.readOnly, undefined)
  assert.deepEqual(kept.volume, { persistentVolumeClaim: { claimName: 'fedsam-site-state' } })
  assert.equal(one(objects, 'PersistentVolumeClaim').metadata.name, 'fedsam-site-state')
  assert.equal(mountedAt(objects, key).mount.readOnly, true)
  assert.equal(mountedAt(objects, '/etc/fedsam-site/site.yaml').mount.readOnly, true)
})

test('two data sets of one claim share a volume: a pod with two volumes of one claim never starts', async () => {
  const lung = ['claim=brain-scans', 'folder=lung'].map((flag) => `site.datasets.lung.${flag}`)
  const other = ['claim=heart-scans'].map((flag) => `site.datasets.heart.${flag}`)
  const objects = await render(3, ...set(...lung, ...other))
  const { volumes } = one(objects, 'Deployment').spec.template.spec
  const claims = volumes.flatMap(
    ({ persistentVolumeClaim }: { persistentVolumeClaim?: { claimName: string } }) =>
      persistentVolumeClaim?.claimName ?? [],
  )
  assert.deepEqual(claims.sort(), ['brain-scans', 'fedsam-site-state', 'heart-scans'])
  for (const [name, claimName] of Object.entries({
    brain: 'brain-scans',
    lung: 'brain-scans',
    heart: 'heart-scans',
  })) {
    const { volume } = mountedAt(objects, siteOf(objects).datasets[name]!.path)
    assert.deepEqual(volume, { persistentVolumeClaim: { claimName, readOnly: true } })
  }
})

/** 0440 in the template, which Helm reads as octal, and YAML 1.2 does not. */
const GROUP_READS = 440

test('a folder of a claim, certificates and a proxy: what the file names is what is mounted', async () => {
  const heart = 'site.federations[0]'
  for (const [flags, volume] of [
    [
      ['ca.configMapName=heart-ca'],
      { configMap: { name: 'heart-ca', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    ],
    [
      ['ca.secretName=heart-ca', 'ca.key=tls.crt'],
      {
        secret: {
          secretName: 'heart-ca',
          defaultMode: GROUP_READS,
          items: [{ key: 'tls.crt', path: 'ca.crt' }],
        },
      },
    ],
  ] as const) {
    const own = [...flags, 'proxy=http://proxy.example.org:3128'].map((flag) => `${heart}.${flag}`)
    const objects = await render(4, ...set(...own, 'site.datasets.brain.folder=scans/2024'))
    const { federations, datasets } = siteOf(objects)
    assert.equal(federations[0]!.proxy, 'http://proxy.example.org:3128')
    assert.deepEqual(mountedAt(objects, federations[0]!.ca!).volume, volume)
    assert.equal(mountedAt(objects, datasets.brain!.path).mount.subPath, 'scans/2024')
  }
})

test('the key comes from its Secret alone, to a file that only the agent may read', async () => {
  const objects = await render(3)
  const { initContainers, volumes } = one(objects, 'Deployment').spec.template.spec
  const [{ command, volumeMounts }] = initContainers
  assert.deepEqual(command, ['install', '-m', '0600', '/etc/fedsam-key/site.key', siteOf(objects).key])
  assert.deepEqual(
    volumeMounts.map(({ name }: Mount) => name),
    ['key-secret', 'key'],
  )
  const [secret] = volumes.filter(({ name }: { name: string }) => name === 'key-secret')
  assert.equal(secret.secret.secretName, 'fedsam-site-key')
  const [container] = podsOf(objects)[0]!.containers as unknown as [{ volumeMounts: Mount[] }]
  assert.ok(!container.volumeMounts.some(({ name }) => name === 'key-secret'))
})

test('the network has one way out, and no way in', async () => {
  const { podSelector, policyTypes, ingress, egress } = one(await render(3), 'NetworkPolicy').spec
  const { template } = one(await render(3), 'Deployment').spec
  for (const [label, value] of Object.entries(podSelector.matchLabels))
    assert.equal(template.metadata.labels[label], value)
  assert.deepEqual([policyTypes, ingress], [['Ingress', 'Egress'], undefined])
  const [dns, ...ways] = egress
  assert.deepEqual(
    dns.ports.map(({ port }: { port: number }) => port),
    [53, 53],
  )
  assert.equal(dns.to.length, 1)
  assert.deepEqual(ways, [
    { to: [{ ipBlock: { cidr: '203.0.113.10/32' } }], ports: [{ port: 443, protocol: 'TCP' }] },
  ])
  assert.deepEqual(of(await render(3, ...set('networkPolicy.enabled=false')), 'NetworkPolicy'), [])
})

test('a GPU: its image, its limit, its node', async () => {
  const objects = await render(
    3,
    ...set('gpu.count=2', 'runtimeClassName=nvidia', 'tolerations[0].key=nvidia.com/gpu'),
    ...set('tolerations[0].operator=Exists', 'nodeSelector.pool=gpu', 'resources.limits.memory=8Gi'),
  )
  const pod = one(objects, 'Deployment').spec.template.spec
  assert.equal(pod.containers[0].image, 'registry.example.com/fedsam/site-gpu:0.1.0')
  assert.deepEqual(pod.containers[0].resources, {
    requests: { cpu: '1', memory: '2Gi' },
    limits: { memory: '8Gi', 'nvidia.com/gpu': 2 },
  })
  assert.deepEqual(
    [pod.runtimeClassName, pod.nodeSelector, pod.tolerations],
    ['nvidia', { pool: 'gpu' }, [{ key: 'nvidia.com/gpu', operator: 'Exists' }]],
  )
})

test('a change of the file starts a new pod; a claim of your own takes the place of the one that the chart makes', async () => {
  const annotation = (objects: readonly Rendered[]): string =>
    one(objects, 'Deployment').spec.template.metadata.annotations['checksum/site']
  const objects = await render(3)
  assert.match(annotation(objects), /^[0-9a-f]{64}$/)
  assert.equal(annotation(await render(4)), annotation(objects))
  const limited = await render(3, ...set('site.datasets.brain.limits.updates=1'))
  assert.notEqual(annotation(limited), annotation(objects))
  const own = await render(3, ...set('state.claim=mine'))
  assert.deepEqual(of(own, 'PersistentVolumeClaim'), [])
  assert.deepEqual(mountedAt(own, siteOf(own).folder).volume, {
    persistentVolumeClaim: { claimName: 'mine' },
  })
  // The ledger outlives the release.
  assert.equal(
    one(objects, 'PersistentVolumeClaim').metadata.annotations?.['helm.sh/resource-policy'],
    'keep',
  )
})

test('values that are wrong are refused, by name', async () => {
  const heart = 'site.federations[0]'
  const cases: readonly (readonly [string, RegExp])[] = [
    ['key.secretName=', /key\.secretName is needed/],
    ['key.seed=5eed', /seed/],
    ['site.key=site.key', /key/],
    ['site.folder=state', /folder/],
    ['site.federations=null', /site\.federations is needed/],
    [`${heart}.trust={5eed}`, /trust/],
    [`${heart}.jobs[0].job=brain`, /job/],
    [`${heart}.jobs[0].dataset=lung`, /dataset is lung, which site\.datasets does not have/],
    [`${heart}.jobs[0].trainer=own`, /trainer is own, which site\.trainers does not have/],
    [`${heart}.ca=ca.pem`, /ca/],
    [`${heart}.ca.configMapName=a,${heart}.ca.secretName=b`, /oneOf|one of|must validate one and only one/i],
    ['site.datasets.brain.path=/data', /path/],
    ['site.datasets.brain.claim=null', /claim/],
    ['site.datasets.brain.labels={-1}', /labels/],
    ['site.datasets.brain.limits.update=1', /update/],
    ['networkPolicy.entry=null', /networkPolicy\.entry is needed/],
    ['networkPolicy.entry[0].cidr=fed.example.org', /cidr/],
    ['networkPolicy.entry[0].port=70000', /port/],
    ['image.registry=', /image fedsam\/site names no registry.*set image\.registry/s],
    ['image.digest=latest', /digest/],
    ['gpu.count=-1', /count/],
    ['state.size=much', /size/],
    ['replicas=2', /replicas/],
  ]
  for (const [setting, words] of cases)
    for (const line of HELM_LINES) await assert.rejects(render(line, ...set(setting)), words, setting)
})
