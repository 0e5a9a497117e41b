// The chart in the hands of Helm 3 and 4 against a real API server (no node: nothing runs): everything is accepted, keys outlive an
// upgrade, the definition and the jobs outlive the release, and the commands of the notes work when they are pasted.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import type { HelmLine } from '#scripts/helm.ts'
import { ensureKubernetes } from '#scripts/kubernetes/build.ts'
import { type KubernetesServer, startKubernetes } from '#scripts/kubernetes/server.ts'
import { CHART, helm, podsOf, render, values } from './helm.ts'

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
  const told = await helm(line, [...place, ...flags], surroundings())
  return told.slice(told.indexOf('NOTES:'))
}

const uninstall = (line: HelmLine, namespace: string) =>
  helm(line, ['uninstall', 'fedsam', '--namespace', namespace], surroundings())

/** The commands of the notes, as they are pasted; those that wait for pods would wait for ever here. */
function commandsOf(notes: string): string {
  const text = [...notes.matchAll(/^ .*|^kubectl [\s\S]*?^EOF$/gm)].join('\n')
  const waits = /^ *(helm test|kubectl .*(rollout status|wait )).*$/gm
  assert.equal([...text.matchAll(waits)].length, 3)
  return text.replaceAll(waits, '')
}

async function paste(notes: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-euc', commandsOf(notes)], { env: surroundings() })
  return stdout
}

async function keysOf(namespace: string): Promise<unknown> {
  const args = ['-n', namespace, 'get', 'secret', 'fedsam-s3-credentials', '-o', 'json']
  return JSON.parse(await server.kubectl(args)).data
}

/** Stays 1 as long as the server's pod is left alone. */
function generation(namespace: string): Promise<string> {
  const what = ['get', 'deployment', 'fedsam-s3', '-o', 'jsonpath={.metadata.generation}']
  return server.kubectl(['-n', namespace, ...what])
}

/** What a job of the notes names is there. */
async function assertPlaces(namespace: string, system: string): Promise<void> {
  const { spec } = JSON.parse(await server.kubectl(['-n', namespace, 'get', 'fj', 'first', '-o', 'json']))
  const { endpoint, bucket, credentialsSecretName } = spec.storage.s3
  assert.equal(endpoint, `http://fedsam-s3.${system}.svc:7070`)
  assert.equal(spec.messaging.nats.url, `nats://fedsam-nats.${system}.svc:4222`)
  for (const name of ['fedsam-s3', 'fedsam-nats'])
    await server.kubectl(['-n', system, 'get', 'service', name])
  const secret = JSON.parse(
    await server.kubectl(['-n', namespace, 'get', 'secret', credentialsSecretName, '-o', 'json']),
  )
  assert.deepEqual(secret.data, await keysOf(system))
  const pods = await server.kubectl(['-n', system, 'get', 'deployment', 'fedsam-s3', '-o', 'json'])
  assert.match(pods, new RegExp(`"mountPath": "/data/${bucket}"`))
}

test('installed by Helm 3, upgraded by it and by Helm 4: the keys stay; gone: the jobs stay', async () => {
  const notes = await upgrade(3, 'system', ...values('quickstart'))
  const keys = await keysOf('system')
  assert.match(await paste(notes), /federatedjob\.fedsam\.dev\/first created/)
  await assertPlaces('system', 'system')
  for (const line of [3, 4] as const) await upgrade(line, 'system', ...values('quickstart'))
  assert.deepEqual(await keysOf('system'), keys)
  assert.equal(await generation('system'), '1')
  await upgrade(4, 'system', ...values('quickstart'), '--set', 'quickstart.s3.secretAccessKey=another')
  assert.equal(await generation('system'), '2')
  await uninstall(4, 'system')
  assert.match(await server.kubectl(['-n', 'system', 'get', 'fj']), /first/)
  // And a release of the same name finds its definition again.
  await upgrade(4, 'system')
  await uninstall(4, 'system')
})

test('the restricted Pod Security level admits every pod, as it judges them itself', async () => {
  const metadata = { name: 'strict', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } }
  const create = (object: object) => server.kubectl(['create', '-f', '-'], JSON.stringify(object))
  await create({ apiVersion: 'v1', kind: 'Namespace', metadata })
  const specs = podsOf(await render(...values('quickstart-kept')))
  assert.equal(specs.length, 4)
  for (const [i, spec] of specs.entries()) {
    const place = { name: `pod-${i}`, namespace: 'strict' }
    const said = await create({ apiVersion: 'v1', kind: 'Pod', metadata: place, spec })
    assert.match(said, /created/)
  }
})

test('jobs of another namespace: the notes bring the keys there', async () => {
  await server.kubectl(['create', 'namespace', 'team-a'])
  const notes = await upgrade(4, 'system', ...values('quickstart-kept'))
  assert.match(await paste(notes), /secret\/fedsam-s3-credentials created/)
  await assertPlaces('team-a', 'system')
  await uninstall(3, 'system')
})

test('without a quickstart the job of the notes is accepted too, and warnings are said', async () => {
  await server.kubectl(['create', 'namespace', 'bare'])
  const flags = ['--set', 'crds.keep=false,admissionPolicy.enabled=false']
  // The definition that an earlier release of another namespace has left is not taken over unasked.
  await assert.rejects(upgrade(3, 'bare', ...flags), /invalid ownership metadata/)
  const notes = await upgrade(3, 'bare', ...flags, '--take-ownership')
  assert.match(notes, /WARNING: crds\.keep is false/)
  assert.match(notes, /WARNING: without admissionPolicy/)
  assert.match(await paste(notes), /federatedjob\.fedsam\.dev\/first created/)
})
