// The quickstart as it is rendered, and its two servers run for real: the cached programs with the container's own arguments and
// environment, as its user, on a folder as the kubelet makes it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { type Binary, ensureBinary } from '#cli/run/servers/binaries.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { until } from '../until.ts'
import { of, podOf, type Rendered, render, values } from './helm.ts'

const decoded = ({ data = {} }: Rendered): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }
  listener.close()
  return port
}

/** Runs a server of the quickstart, from the moment that it is healthy, while `use` does. */
async function running(
  name: Binary,
  [folder, args, env]: readonly [string, readonly string[], Readonly<Record<string, string>>],
  health: string,
  use: () => Promise<void>,
): Promise<void> {
  // A copy: the user of the container may not read the home folder of the user who runs the tests.
  const program = join(folder, name)
  await copyFile(await ensureBinary(name), program)
  const user = process.getuid?.() === 0 ? { uid: 65532, gid: 65532 } : {}
  // The shell waits for us, and ends the server when we are gone, however we end.
  const guard = '"$0" "$@" & read -r _; kill -9 $!'
  const child = spawn('sh', ['-c', guard, program, ...args], {
    ...user,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const gone = once(child, 'exit')
  try {
    await until(`${name} answers ${health}`, async () => (await fetch(health)).ok)
    await use()
  } finally {
    child.stdin.end()
    await gone
  }
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-quickstart-'))
  await chmod(folder, 0o755)
  await use(folder).finally(() => rm(folder, { recursive: true, force: true }))
}

/** The container's arguments on this machine; each swap must be there. */
function swapped(args: readonly string[], swaps: Readonly<Record<string, string>>): string[] {
  for (const word of Object.keys(swaps)) assert.ok(args.includes(word), `${word} is not among ${args}`)
  return args.map((word) => swaps[word] ?? word)
}

test('nats-server starts with the arguments of its container, and is ready where its probe asks', async () => {
  const [container] = podOf(await render(...values('quickstart')), 'fedsam-nats').containers
  assert.equal(basename(container!.command![0]!), 'nats-server')
  const [port, health] = [await freePort(), await freePort()]
  const args = swapped(container!.args!, { '4222': String(port), '8222': String(health) })
  await withFolder(async (folder) => {
    await running('nats-server', [folder, args, {}], `http://127.0.0.1:${health}/healthz`, async () => {
      const bus = await connectNats({ url: `nats://127.0.0.1:${port}` })
      try {
        await bus.serve('a.*', async (_, body) => body)
        const answer = await bus.request('a.b', Buffer.from('here'), { timeoutMs: 120_000 })
        assert.equal(Buffer.from(answer).toString(), 'here')
      } finally {
        await bus.close()
      }
    })
  })
})

test('versitygw starts with the arguments of its container, its bucket is there, and it keeps what a store promises', async () => {
  const objects = await render(...values('quickstart-kept'))
  const { args = [], command, env = [] } = podOf(objects, 'fedsam-s3').containers[0]!
  assert.equal(basename(command![0]!), 'versitygw')
  const [secret] = of(objects, 'Secret')
  const keys = decoded(secret!)
  const variables = env.map((variable) => {
    const { valueFrom } = variable as unknown as { valueFrom: { secretKeyRef: Record<string, string> } }
    assert.equal(valueFrom.secretKeyRef.name, secret!.metadata.name)
    return [variable.name, keys[valueFrom.secretKeyRef.key!]!]
  })
  const { volumeMounts } = of(objects, 'Deployment').find(({ metadata }) => metadata.name === 'fedsam-s3')!
    .spec.template.spec.containers[0]
  const bucket = volumeMounts.map(({ subPath }: { subPath?: string }) => subPath).find(Boolean)
  const port = await freePort()
  await withFolder(async (folder) => {
    const data = join(folder, 'data')
    // As the kubelet does: the folder of a subPath belongs to root, and has the volume's mode.
    await mkdir(join(data, bucket), { recursive: true })
    for (const path of [data, join(data, bucket)]) await chmod(path, 0o777)
    const here = swapped(args, { ':7070': `127.0.0.1:${port}`, '/data': data })
    const endpoint = `http://127.0.0.1:${port}`
    const program = [folder, here, Object.fromEntries(variables)] as const
    await running('versitygw', program, `${endpoint}/healthz`, async () => {
      const credentials = {
        accessKeyId: keys.AWS_ACCESS_KEY_ID!,
        secretAccessKey: keys.AWS_SECRET_ACCESS_KEY!,
      }
      const place = {
        bucket,
        endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        prefix: 'try',
        credentials,
      }
      const store = openS3Store(place)
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
    ['s3', 7070],
  ] as const) {
    const named = (kind: string) =>
      of(objects, kind).find(({ metadata }) => metadata.name === `fedsam-${name}`)!
    const labels = named('Deployment').spec.template.metadata.labels
    const [served] = named('Service').spec.ports
    assert.deepEqual(named('Service').spec.selector, labels)
    assert.equal(served.port, port)
    const { ports } = named('Deployment').spec.template.spec.containers[0]
    assert.ok(
      ports.some(
        (one: object) =>
          JSON.stringify(one) === JSON.stringify({ name: served.targetPort, containerPort: port }),
      ),
    )
    const policy = named('NetworkPolicy').spec
    assert.deepEqual(policy.podSelector.matchLabels, labels)
    assert.equal(policy.egress, undefined)
    const open = policy.ingress[0].ports.map((one: { port: string }) => one.port)
    assert.deepEqual(
      open,
      ports.map((one: { name: string }) => one.name),
    )
  }
})

test('servers are for the namespaces that are named, and for the release; for all where none is', async () => {
  const admitted = async (...flags: string[]): Promise<unknown[]> => {
    const objects = await render(...values('quickstart'), '--namespace', 'system', ...flags)
    const names = ['fedsam-nats', 'fedsam-s3']
    const policies = of(objects, 'NetworkPolicy').filter(({ metadata }) => names.includes(metadata.name))
    assert.equal(policies.length, 2)
    const [one, other] = policies.map(({ spec }) => spec.ingress[0].from)
    assert.deepEqual(one, other)
    return one
  }
  const named = (...namespaces: string[]): object[] =>
    namespaces.map((name) => ({
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
    }))
  assert.deepEqual(await admitted(), [{ namespaceSelector: {} }])
  assert.deepEqual(await admitted('--set', 'quickstart.namespaces={team-a}'), named('team-a', 'system'))
  const watched = ['--set', 'watchNamespaces={team-b}', '--set', 'rbac.aggregate=false']
  assert.deepEqual(await admitted(...watched), named('team-b', 'system'))
})

test('the bucket is on a claim where a size is said, else it goes with its pod', async () => {
  const volumes = (objects: readonly Rendered[]) =>
    podOf(objects, 'fedsam-s3') as unknown as { volumes: unknown[] }
  const kept = await render(...values('quickstart-kept'))
  const [claim] = of(kept, 'PersistentVolumeClaim')
  assert.equal(claim!.spec.resources.requests.storage, '10Gi')
  const name = claim!.metadata.name
  assert.deepEqual(volumes(kept).volumes, [{ name: 'data', persistentVolumeClaim: { claimName: name } }])
  const plain = await render(...values('quickstart'))
  assert.deepEqual(of(plain, 'PersistentVolumeClaim'), [])
  assert.deepEqual(volumes(plain).volumes, [{ name: 'data', emptyDir: {} }])
})

test('keys are those that are given, else new ones', async () => {
  const given = decoded(of(await render(...values('quickstart-kept')), 'Secret')[0]!)
  assert.deepEqual(given, { AWS_ACCESS_KEY_ID: 'first', AWS_SECRET_ACCESS_KEY: 'secret-of-the-first' })
  const made = async () => decoded(of(await render(...values('quickstart')), 'Secret')[0]!)
  const [one, other] = [await made(), await made()]
  assert.match(one.AWS_SECRET_ACCESS_KEY!, /^\w{40}$/)
  assert.notEqual(one.AWS_SECRET_ACCESS_KEY, other.AWS_SECRET_ACCESS_KEY)
})
