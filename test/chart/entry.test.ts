// The entry of the chart: one host for sites, by an Ingress or by a Gateway. Both lead the same paths to the same servers and rewrite
// nothing; the edge alone reaches the port for sites; values that contradict each other are refused with the field to correct.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HELM_LINES } from '#scripts/helm.ts'
import { environment, of, podOf, type Rendered, render, renderBy, values } from './helm.ts'

const HOST = 'fedsam.example.org'
const set = (...settings: readonly string[]): string[] => settings.flatMap((setting) => ['--set', setting])
/** The flags of a Gateway in front of the quickstart, and of an Ingress in front of a store of one's own. */
const GATEWAY = [
  ...values('entry-ingress'),
  ...set('entry.ingress.className=', 'entry.gateway.className=envoy'),
]
const INGRESS = [
  ...values('entry-gateway'),
  ...set('entry.gateway.className=', 'entry.ingress.className=nginx', 'entry.stores[0].tls=true'),
  ...set('entry.stores[0].bucket=models', 'entry.stores[0].service=minio', 'entry.stores[0].port=9000'),
]

interface Route {
  readonly path: string
  readonly type: string
  readonly service: string
  readonly port: number
}

/** What each Ingress leads where. All have one host, its certificate and nothing else. */
function routesOfIngresses(objects: readonly Rendered[]): Route[] {
  return of(objects, 'Ingress').map(({ spec }) => {
    assert.deepEqual(spec.tls, [{ hosts: [HOST], secretName: 'entry-tls' }])
    assert.deepEqual([spec.rules.length, spec.rules[0].host, spec.rules[0].http.paths.length], [1, HOST, 1])
    const [{ path, pathType, backend }] = spec.rules[0].http.paths
    return { path, type: pathType, service: backend.service.name, port: backend.service.port.number }
  })
}

function routesOfGateway(objects: readonly Rendered[]): Route[] {
  const [route, ...more] = of(objects, 'HTTPRoute')
  assert.deepEqual([more.length, route!.spec.hostnames], [0, [HOST]])
  return route!.spec.rules.map((rule: Record<string, never[]>) => {
    assert.deepEqual(Object.keys(rule).sort(), ['backendRefs', 'matches', 'timeouts'], 'no filter rewrites')
    const { matches, backendRefs, timeouts } = rule as unknown as {
      matches: { path: { type: string; value: string } }[]
      backendRefs: { name: string; port: number }[]
      timeouts: object
    }
    assert.deepEqual([matches.length, backendRefs.length, timeouts], [1, 1, { request: '0s' }])
    const type = matches[0]!.path.type === 'PathPrefix' ? 'Prefix' : matches[0]!.path.type
    const { name: service, port } = backendRefs[0]!
    return { path: matches[0]!.path.value, type, service, port }
  })
}

const BUS: Route = { path: '/bus', type: 'Exact', service: 'fedsam-nats', port: 8443 }
const STORE: Route = { path: '/fedsam/', type: 'Prefix', service: 'fedsam-s3-default', port: 7070 }
const MODELS: Route = { path: '/models/', type: 'Prefix', service: 'minio', port: 9000 }

test('both edges lead /bus to nats-server and the bucket to its store, of the quickstart or of your own', async () => {
  assert.deepEqual(routesOfIngresses(await render(...values('entry-ingress'))), [BUS, STORE])
  assert.deepEqual(routesOfGateway(await render(...GATEWAY)), [BUS, STORE])
  assert.deepEqual(routesOfIngresses(await render(...INGRESS)), [BUS, MODELS])
  assert.deepEqual(routesOfGateway(await render(...values('entry-gateway'))), [BUS, MODELS])
})

const KINDS = [
  'Ingress',
  'Gateway',
  'HTTPRoute',
  'BackendTLSPolicy',
  'ClientTrafficPolicy',
  'BackendTrafficPolicy',
  'EnvoyProxy',
]
const kindsOf = (objects: readonly Rendered[]) => KINDS.filter((kind) => of(objects, kind).length > 0)

test('an edge has its own objects alone; without the entry the chart creates no edge and no port for sites', async () => {
  assert.deepEqual(kindsOf(await render(...values('entry-ingress'))), ['Ingress'])
  assert.deepEqual(kindsOf(await render(...GATEWAY)), KINDS.slice(1))
  assert.deepEqual(kindsOf(await render(...GATEWAY, ...set('entry.gateway.envoy=false'))), [
    'Gateway',
    'HTTPRoute',
    'BackendTLSPolicy',
  ])
  const closed = await render(...values('quickstart'))
  assert.deepEqual(kindsOf(closed), [])
  // The definition of the resource describes a field by this word.
  const others = closed.filter(({ kind }) => kind !== 'CustomResourceDefinition')
  assert.doesNotMatch(JSON.stringify(others), /websocket/i)
})

describe('an Ingress', () => {
  const annotations = async (...flags: readonly string[]) =>
    of(await render(...flags), 'Ingress').map(({ metadata }) => metadata.annotations ?? {})
  const nginx = (name: string) => `nginx.ingress.kubernetes.io/${name}`

  test('has the settings of nginx: bodies of any size, no buffers, long silences, no log with queries, no rewriting', async () => {
    for (const each of [
      ...(await annotations(...values('entry-ingress'))),
      ...(await annotations(...INGRESS)),
    ]) {
      assert.equal(each[nginx('proxy-body-size')], '0')
      for (const name of ['proxy-request-buffering', 'proxy-buffering'])
        assert.equal(each[nginx(name)], 'off')
      for (const name of ['proxy-read-timeout', 'proxy-send-timeout'])
        assert.ok(Number(each[nginx(name)]) > 60)
      assert.equal(each[nginx('enable-access-log')], 'false')
      assert.doesNotMatch(Object.keys(each).join(), /rewrite|vhost|snippet|use-regex|app-root/)
    }
  })

  test('verifies the servers of the chart, by their own names', async () => {
    const [bus, store] = await annotations(...values('entry-ingress'))
    for (const [each, name] of [
      [bus!, 'fedsam-nats.system.svc'],
      [store!, 'fedsam-s3-default.system.svc'],
    ] as const) {
      assert.equal(each[nginx('backend-protocol')], 'HTTPS')
      assert.deepEqual(
        ['proxy-ssl-verify', 'proxy-ssl-server-name', 'proxy-ssl-name', 'proxy-ssl-secret'].map(
          (key) => each[nginx(key)],
        ),
        ['on', 'on', name, 'system/fedsam-nats-tls'],
      )
    }
    const [own, models] = await annotations(...INGRESS, ...set('entry.busTls=false'))
    assert.deepEqual([own![nginx('backend-protocol')], own![nginx('proxy-ssl-verify')]], ['HTTP', undefined])
    assert.deepEqual(
      [models![nginx('backend-protocol')], models![nginx('proxy-ssl-verify')]],
      ['HTTPS', undefined],
    )
  })

  test('asks cert-manager once, and has the annotations of the values', async () => {
    const all = await annotations(...values('entry-ingress'))
    assert.deepEqual(
      all.map((each) => each['cert-manager.io/cluster-issuer']),
      ['letsencrypt', undefined],
    )
    assert.ok(all.every((each) => each['example.org/owner'] === 'federation'))
  })
})

describe('a Gateway', () => {
  test('ends TLS for the one host, and takes routes of its own namespace', async () => {
    const [gateway] = of(await render(...GATEWAY), 'Gateway')
    assert.deepEqual(gateway!.spec.listeners, [
      {
        name: 'https',
        hostname: HOST,
        port: 443,
        protocol: 'HTTPS',
        tls: { mode: 'Terminate', certificateRefs: [{ kind: 'Secret', name: 'entry-tls' }] },
        allowedRoutes: { namespaces: { from: 'Same' } },
      },
    ])
    assert.equal(gateway!.metadata.annotations?.['cert-manager.io/cluster-issuer'], 'letsencrypt')
  })

  test('verifies the servers of the chart by the authority of the release', async () => {
    const objects = await render(...GATEWAY)
    const checked = of(objects, 'BackendTLSPolicy').map(({ spec }) => [
      spec.targetRefs[0].name,
      spec.validation.hostname,
    ])
    assert.deepEqual(checked, [
      ['fedsam-nats', 'fedsam-nats.system.svc'],
      ['fedsam-s3-default', 'fedsam-s3-default.system.svc'],
    ])
    for (const { spec } of of(objects, 'BackendTLSPolicy')) {
      const { name, sectionName } = spec.targetRefs[0]
      const service = of(objects, 'Service').find(({ metadata }) => metadata.name === name)
      assert.ok(
        service!.spec.ports.some((port: { name: string }) => port.name === sectionName),
        sectionName,
      )
      const [{ name: map }] = spec.validation.caCertificateRefs
      const kept = of(objects, 'ConfigMap').find(
        ({ metadata: { name, namespace } }) => name === map && namespace === 'system',
      )
      assert.match(kept!.data!['ca.crt']!, /BEGIN CERTIFICATE/)
    }
    const plain = await render(...values('entry-gateway'), ...set('entry.busTls=false'))
    assert.deepEqual(of(plain, 'BackendTLSPolicy'), [])
  })

  test('of Envoy leaves paths as they are, waits for long transfers, and logs no path', async () => {
    const objects = await render(...GATEWAY)
    const [client] = of(objects, 'ClientTrafficPolicy')
    assert.deepEqual(client!.spec.path, { escapedSlashesAction: 'KeepUnchanged', disableMergeSlashes: true })
    assert.deepEqual(client!.spec.timeout.http, {
      requestReceivedTimeout: '0s',
      idleTimeout: '300s',
      streamIdleTimeout: '300s',
    })
    const [proxy] = of(objects, 'EnvoyProxy')
    const [{ format }] = proxy!.spec.telemetry.accessLog.settings
    assert.doesNotMatch(JSON.stringify(format), /PATH|QUERY/i)
    assert.equal(of(objects, 'Gateway')[0]!.spec.infrastructure.parametersRef.name, proxy!.metadata.name)
  })
})

describe('the servers behind the entry', () => {
  const EDGE = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } } }]
  const peersOf = (objects: readonly Rendered[], name: string, port: string) =>
    of(objects, 'NetworkPolicy')
      .find(({ metadata }) => metadata.name === name)!
      .spec.ingress.filter(({ ports }: { ports: { port: string }[] }) =>
        ports.some((each) => each.port === port),
      )
      .map(({ from }: { from: object }) => from)

  test('admit the edge: alone to the port for sites, and to the store beside its tenant', async () => {
    const objects = await render(...values('entry-ingress'))
    assert.deepEqual(peersOf(objects, 'fedsam-nats', 'websocket'), [EDGE])
    assert.ok(!JSON.stringify(peersOf(objects, 'fedsam-nats', 'nats')).includes('ingress-nginx'))
    assert.equal(peersOf(objects, 'fedsam-s3-default', 's3').length, 2)
    assert.deepEqual(peersOf(objects, 'fedsam-s3-default', 's3')[1], EDGE)
  })

  test('have the port for sites, with TLS unless the edge ends it', async () => {
    for (const [flags, secure] of [
      [[], 'true'],
      [set('entry.busTls=false'), 'false'],
    ] as const) {
      const objects = await render(...values('entry-ingress'), ...flags)
      const pod = podOf(objects, 'fedsam-nats')
      const variables = environment({ ...pod, containers: pod.initContainers! })
      assert.equal(variables.FEDSAM_GATE_NATS_WEBSOCKET_PORT, '8443')
      assert.equal(variables.FEDSAM_GATE_NATS_WEBSOCKET_TLS, secure)
    }
  })
})

test('values that contradict each other are refused, with the field to correct', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ['entry.gateway.className=envoy'],
      /entry\.ingress\.className and entry\.gateway\.className exclude each other/,
    ],
    [['entry.ingress.className='], /set entry\.ingress\.className or entry\.gateway\.className/],
    [['entry.host='], /entry\.host is needed/],
    [['entry.tlsSecretName='], /entry\.tlsSecretName is needed/],
    [['quickstart.enabled=false'], /set gate\.enabled or quickstart\.enabled/],
    [['entry.from=null'], /entry\.from is needed/],
    [['quickstart.namespaces={team-a,team-b}'], /tenants team-a, team-b.*entry\.stores/],
    [['quickstart.s3.bucket=bus'], /a bucket with the name bus/],
    [['entry.host=https://fedsam.example.org'], /host/],
    [['entry.host=*.example.org'], /host/],
    [['entry.host=fedsam'], /host/],
    [['entry.host=fedsam.example.org/x'], /host/],
    [['entry.stores[0].bucket=models'], /service/],
    [['entry.ingress.class=nginx'], /class/],
    [['entry.from={edge}'], /from/],
  ]
  for (const [settings, words] of cases)
    for (const line of HELM_LINES)
      await assert.rejects(
        renderBy(line, ...values('entry-ingress'), ...set(...settings)),
        words,
        settings.join(),
      )
  const twice = [0, 1].flatMap((at) =>
    set(...['bucket=m-1', 'service=s', 'port=1'].map((field) => `entry.stores[${at}].${field}`)),
  )
  await assert.rejects(render(...values('entry-ingress'), ...twice), /names a bucket twice/)
})
