// The quickstart's servers run for real: the cached programs with the arguments, environment and certificates of their rendered
// containers, as the container's user, on a folder as the kubelet makes it. Guarantees: no server outlives the test.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Binary, ensureBinary } from '#cli/run/servers/binaries.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import { until } from '../until.ts'
import { of, podOf, type Rendered } from './helm.ts'

/** The values of a Secret. */
export const decoded = ({ data = {} }: Rendered): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )

export async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }
  listener.close()
  return port
}

async function listening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect').finally(() => socket.destroy())
  return true
}

/** Runs a server of the quickstart, from the moment that it listens, while `use` runs. */
export async function running(
  name: Binary,
  [folder, args, env]: readonly [string, readonly string[], Readonly<Record<string, string>>],
  port: number,
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
    await until(`${name} listens`, () => listening(port))
    await use()
  } finally {
    child.stdin.end()
    await gone
  }
}

export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-quickstart-'))
  await chmod(folder, 0o755)
  await use(folder).finally(() => rm(folder, { recursive: true, force: true }))
}

/** The container's arguments on this machine; each swap must be there. */
export function swapped(args: readonly string[], swaps: Readonly<Record<string, string>>): string[] {
  for (const word of Object.keys(swaps)) assert.ok(args.includes(word), `${word} is not among ${args}`)
  return args.map((word) => swaps[word] ?? word)
}

/** The Secret's files as the kubelet writes them for a pod. */
export async function mountSecret(folder: string, secret: Rendered): Promise<Record<string, string>> {
  const files = decoded(secret)
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return files
}

/** One object of a rendering. */
export function one(
  objects: readonly Rendered[],
  kind: string,
  name: string,
  namespace = 'system',
): Rendered {
  const found = of(objects, kind).find(
    ({ metadata }) => metadata.name === name && (metadata.namespace ?? 'system') === namespace,
  )
  assert.ok(found, `${kind} ${namespace}/${name}`)
  return found
}

/** A tenant's S3 server as its container runs; `use` gets what the tenant's job has. */
export async function tenantServer(
  objects: readonly Rendered[],
  tenant: string,
  use: (place: S3Options) => Promise<void>,
): Promise<void> {
  const name = `fedsam-s3-${tenant}`
  const { args = [], command, env = [] } = podOf(objects, name).containers[0]!
  assert.equal(basename(command![0]!), 'versitygw')
  const secret = one(objects, 'Secret', name)
  const keys = decoded(secret)
  const variables = env.map((variable) => {
    const { valueFrom } = variable as unknown as { valueFrom: { secretKeyRef: Record<string, string> } }
    assert.equal(valueFrom.secretKeyRef.name, name)
    return [variable.name, keys[valueFrom.secretKeyRef.key!]!]
  })
  const { volumeMounts } = one(objects, 'Deployment', name).spec.template.spec.containers[0]
  const bucket = volumeMounts.map(({ subPath }: { subPath?: string }) => subPath).find(Boolean)
  const port = await freePort()
  await withFolder(async (folder) => {
    await mountSecret(folder, secret)
    const data = join(folder, 'data')
    // As the kubelet does: the folder of a subPath belongs to root, and has the volume's mode.
    await mkdir(join(data, bucket), { recursive: true })
    const iam = join(folder, 'iam')
    await mkdir(iam)
    for (const path of [data, join(data, bucket), iam]) await chmod(path, 0o777)
    const here = swapped(args, {
      ':7070': `127.0.0.1:${port}`,
      '/data': data,
      '/iam': iam,
      '/etc/s3-tls/tls.crt': join(folder, 'tls.crt'),
      '/etc/s3-tls/tls.key': join(folder, 'tls.key'),
    })
    await running('versitygw', [folder, here, Object.fromEntries(variables)], port, async () => {
      const own = decoded(one(objects, 'Secret', 'fedsam-s3-credentials', tenant))
      await use({
        bucket,
        endpoint: `https://127.0.0.1:${port}`,
        region: 'us-east-1',
        forcePathStyle: true,
        prefix: '',
        requireTls: true,
        credentials: { accessKeyId: own.AWS_ACCESS_KEY_ID!, secretAccessKey: own.AWS_SECRET_ACCESS_KEY! },
        attempts: 1,
      })
    })
  })
}

/** Trusts the authority of a rendering while `use` runs, as NODE_EXTRA_CA_CERTS does in a pod. */
export async function trusting(
  objects: readonly Rendered[],
  tenant: string,
  use: () => Promise<void>,
): Promise<void> {
  const before = getCACertificates('default')
  setDefaultCACertificates([...before, one(objects, 'ConfigMap', 'fedsam-ca', tenant).data!['ca.crt']!])
  await use().finally(() => setDefaultCACertificates(before))
}
