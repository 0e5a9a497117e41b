// The chart in the hands of Helm 3 and 4 against a real API server (no node: nothing runs): everything is accepted, keys outlive an
// upgrade, the definition and the jobs outlive the release, and the commands of the notes work when they are pasted.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { HELM_LINES, type HelmLine } from '#scripts/helm.ts'
import { ensureKubernetes } from '#scripts/kubernetes/build.ts'
import { type KubernetesServer, startKubernetes } from '#scripts/kubernetes/server.ts'
import {
  CHART,
  helm,
  objectsOf,
  type PodSpec,
  podsOf,
  REGISTRY,
  render,
  SITE_CHART,
  siteValues,
  values,
} from './helm.ts'

let folder: string
let server: KubernetesServer
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-install-'))
  server = await startKubernetes({ folder, log: (line) => process.stderr.write(`${line}\n`) })
  const { kubectl } = await ensureKubernetes()
  await mkdir(join(folder, 'bin'))
  await symlink(kubectl, join(folder, 'bin/kubectl'))
})
after(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** The environment of somebody at this cluster: kubectl on the PATH, folders of Helm's own. */
function surroundings(): NodeJS.ProcessEnv {
  const own = ['CACHE', 'CONFIG', 'DATA'].map((kind) => [`HELM_${kind}_HOME`, join(folder, 'helm')])
  const PATH = `${join(folder, 'bin')}:${process.env.PATH}`
  return { ...process.env, ...Object.fromEntries(own), PATH, KUBECONFIG: server.kubeconfig }
}

/** Installs or upgrades the release `fedsam`; resolves to the notes. */
async function upgrade(line: HelmLine, namespace: string, ...flags: readonly string[]): Promise<string> {
  const place = ['upgrade', '--install', 'fedsam', CHART, '--namespace', namespace, '--create-namespace']
  const told = await helm(line, [...place, ...REGISTRY, ...flags], surroundings())
  return told.slice(told.indexOf('NOTES:'))
}

const uninstall = (line: HelmLine, namespace: string) =>
  helm(line, ['uninstall', 'fedsam', '--namespace', namespace], surroundings())

/** The commands of the notes, as they are pasted; those that need a pod would never end here. */
function commandsOf(notes: string): string {
  const text = [...notes.matchAll(/^ .*|^kubectl [\s\S]*?^EOF$/gm)].join('\n')
  const waits = /^ *(helm test|kubectl .*(rollout status|wait |logs )).*$/gm
  assert.equal([...text.matchAll(waits)].length, 4)
  return text.replaceAll(waits, '')
}

async function paste(notes: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-euc', commandsOf(notes)], { env: surroundings() })
  return stdout
}

async function secretOf(namespace: string, name: string): Promise<Readonly<Record<string, string>>> {
  return JSON.parse(await server.kubectl(['-n', namespace, 'get', 'secret', name, '-o', 'json'])).data
}

/** All that is created at random, for a tenant. */
async function madeFor(tenant: string, system: string): Promise<unknown> {
  const own = ['fedsam-authority', 'fedsam-nats-tls', `fedsam-s3-${tenant}`]
  return Promise.all([
    ...own.map((name) => secretOf(system, name)),
    secretOf(tenant, 'fedsam-s3-credentials'),
  ])
}

/** Stays 1 while nothing changes the server's pod. */
function generation(namespace: string, name: string): Promise<string> {
  const what = ['get', 'deployment', name, '-o', 'jsonpath={.metadata.generation}']
  return server.kubectl(['-n', namespace, ...what])
}

/** What a job of the notes names is there. */
async function assertPlaces(tenant: string, system: string): Promise<void> {
  const { spec } = JSON.parse(await server.kubectl(['-n', tenant, 'get', 'fj', 'first', '-o', 'json']))
  const { endpoint, bucket, credentialsSecretName, caBundleConfigMapName } = spec.storage.s3
  assert.equal(endpoint, `https://fedsam-s3-${tenant}.${system}.svc:7070`)
  assert.equal(spec.messaging.nats.url, `tls://fedsam-nats.${system}.svc:4222`)
  assert.equal(spec.allowInsecure, false)
  for (const name of [`fedsam-s3-${tenant}`, 'fedsam-nats'])
    await server.kubectl(['-n', system, 'get', 'service', name])
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = await secretOf(system, `fedsam-s3-${tenant}`)
  const keys = await secretOf(tenant, credentialsSecretName)
  assert.deepEqual(keys, { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY })
  const { 'ca.crt': authority } = await secretOf(tenant, spec.messaging.nats.tlsSecretName)
  const map = await server.kubectl(['-n', tenant, 'get', 'configmap', caBundleConfigMapName, '-o', 'json'])
  assert.equal(Buffer.from(authority!, 'base64').toString(), JSON.parse(map).data['ca.crt'])
  const pods = await server.kubectl(['-n', system, 'get', 'deployment', `fedsam-s3-${tenant}`, '-o', 'json'])
  assert.match(pods, new RegExp(`"mountPath": "/data/${bucket}"`))
}

test('installed by Helm 3, upgraded by it and by Helm 4: keys and certificates stay; gone: the jobs stay', async () => {
  const notes = await upgrade(3, 'system', ...values('quickstart'))
  const made = await madeFor('default', 'system')
  assert.match(await paste(notes), /federatedjob\.fedsam\.dev\/first created/)
  await assertPlaces('default', 'system')
  for (const line of [3, 4] as const) await upgrade(line, 'system', ...values('quickstart'))
  assert.deepEqual(await madeFor('default', 'system'), made)
  for (const name of ['fedsam-nats', 'fedsam-s3-default']) assert.equal(await generation('system', name), '1')
  await server.kubectl(['create', 'namespace', 'later'])
  const tenants = ['--set', 'quickstart.namespaces={default,later}']
  await upgrade(4, 'system', ...values('quickstart'), ...tenants)
  assert.deepEqual(await madeFor('default', 'system'), made)
  // The authority that was kept issues the certificate of a tenant that comes later.
  const { 'ca.crt': authority, 'tls.crt': certificate } = await secretOf('system', 'fedsam-s3-later')
  const [ca, own] = [authority!, certificate!].map((text) => new X509Certificate(Buffer.from(text, 'base64')))
  assert.ok(own!.verify(ca!.publicKey))
  assert.ok(own!.checkHost('fedsam-s3-later.system.svc') && own!.checkIP('127.0.0.1'))
  const keys = 'quickstart.s3.keys.default'
  const given = ['--set', `${keys}.accessKeyId=a`, '--set', `${keys}.secretAccessKey=another`]
  await upgrade(4, 'system', ...values('quickstart'), ...tenants, ...given)
  assert.equal(await generation('system', 'fedsam-s3-default'), '2')
  assert.equal(await generation('system', 'fedsam-s3-later'), '1')
  await uninstall(4, 'system')
  assert.match(await server.kubectl(['get', 'fj']), /first/)
  // And a release of the same name finds its definition again.
  await upgrade(4, 'system')
  await uninstall(4, 'system')
})

test('the restricted Pod Security level admits every pod, as it judges them itself', async () => {
  const metadata = { name: 'strict', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } }
  const create = (object: object) => server.kubectl(['create', '-f', '-'], JSON.stringify(object))
  await create({ apiVersion: 'v1', kind: 'Namespace', metadata })
  const specs = podsOf(await render(...values('quickstart-kept')))
  assert.equal(specs.length, 5)
  for (const [i, spec] of specs.entries()) {
    const place = { name: `pod-${i}`, namespace: 'strict' }
    const said = await create({ apiVersion: 'v1', kind: 'Pod', metadata: place, spec })
    assert.match(said, /created/)
  }
})

test('the chart of a site: the API server accepts it, with every kind of volume, and admits its pod as restricted', async () => {
  const place = ['fedsam-site', SITE_CHART, '--namespace', 'strict', ...(await siteValues(folder))]
  const [heart, brain] = ['site.federations[0]', 'site.datasets.brain']
  const more = [
    `${heart}.ca.secretName=ca`,
    `${brain}.folder=scans`,
    'gpu.count=1',
    'runtimeClassName=nvidia',
  ]
  const all = [...more, 'hostAliases[0].ip=203.0.113.10', 'hostAliases[0].hostnames={fed.example.org}']
  for (const line of HELM_LINES) {
    for (const flags of [[], ['--set', all.join()]]) {
      const said = await helm(line, ['upgrade', '--install', ...place, ...flags], surroundings())
      assert.match(said, /heart: team-a\/brain-tissue/)
      const pod = { name: `site-${line}-${flags.length}`, namespace: 'strict' }
      const [spec] = podsOf(await objectsOf(line, place, flags))
      // The class of GPUs is no part of an API server.
      const { runtimeClassName: _, ...plain } = spec as PodSpec & { runtimeClassName?: string }
      const object = { apiVersion: 'v1', kind: 'Pod', metadata: pod, spec: plain }
      assert.match(await server.kubectl(['create', '-f', '-'], JSON.stringify(object)), /created/)
    }
  }
  await helm(3, ['uninstall', 'fedsam-site', '--namespace', 'strict'], surroundings())
  // Without the ledger all limits would begin at zero.
  assert.match(await server.kubectl(['-n', 'strict', 'get', 'pvc', '-o', 'name']), /fedsam-site-state/)
})

test('jobs of a watched namespace: the chart brings the keys there', async () => {
  await server.kubectl(['create', 'namespace', 'team-a'])
  const notes = await upgrade(4, 'system', ...values('quickstart-kept'))
  assert.match(await paste(notes), /federatedjob\.fedsam\.dev\/first created/)
  await assertPlaces('team-a', 'system')
  await uninstall(3, 'system')
})

test('an entry: the API server accepts its Ingresses, and the notes name the two addresses for jobs', async () => {
  const notes = await upgrade(4, 'system', ...values('entry-ingress'))
  assert.match(notes, /^spec\.storage\.s3\.publicEndpoint: https:\/\/fedsam\.example\.org$/m)
  assert.match(notes, /^spec\.messaging\.nats\.publicUrl: wss:\/\/fedsam\.example\.org\/bus$/m)
  assert.match(
    await server.kubectl(['-n', 'system', 'get', 'ingress']),
    /fedsam-bus[\s\S]*fedsam-store-fedsam/,
  )
  await uninstall(4, 'system')
})

test('without a quickstart the job of the notes is accepted too, and warnings are said', async () => {
  await server.kubectl(['create', 'namespace', 'bare'])
  const flags = ['--set', 'crds.keep=false,admissionPolicy.enabled=false']
  // The definition that an earlier release of another namespace has left is not taken over unasked.
  await assert.rejects(upgrade(3, 'bare', ...flags), /invalid ownership metadata/)
  const notes = await upgrade(3, 'bare', ...flags, '--take-ownership')
  assert.match(notes, /WARNING: crds\.keep is false/)
  assert.match(notes, /WARNING: without admissionPolicy/)
  await server.kubectl(['-n', 'default', 'delete', 'fj', '--all'])
  assert.match(await paste(notes), /federatedjob\.fedsam\.dev\/first created/)
})
