// The servers of the chart's quickstart on a node of this machine, for one tenant: their addresses as pods see them, and a way to the
// tenant's bucket from here. The way is a port of this machine, because the certificate has no address of a Service.
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { ObjectStore } from '#transport/ports.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { ROOT } from '../images/dockerfile.ts'
import type { RunningNode } from '../kubernetes/node.ts'

export const BUCKET = 'fedsam'
export const REGION = 'us-east-1'
/** The Secret with the bucket's keys, and the name of ConfigMap and Secret with the authority, in a tenant's namespace. */
export const KEYS_SECRET = 'fedsam-s3-credentials'
export const AUTHORITY = 'fedsam-ca'

export interface Quickstart {
  /** The S3 server as this machine reaches it, over a port that this process serves. */
  readonly endpoint: string
  /** AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
  readonly keys: Readonly<Record<string, string>>
  /** A file with the authority. This process trusts it already; a child needs it as NODE_EXTRA_CA_CERTS. */
  readonly caFile: string
}

/** The addresses of a job of this tenant, for its spec. */
export function placesOf(system: string, tenant: string) {
  return {
    storage: {
      s3: {
        bucket: BUCKET,
        endpoint: `https://fedsam-s3-${tenant}.${system}.svc:7070`,
        region: REGION,
        credentialsSecretName: KEYS_SECRET,
        caBundleConfigMapName: AUTHORITY,
      },
    },
    messaging: { nats: { url: `tls://fedsam-nats.${system}.svc:4222`, tlsSecretName: AUTHORITY } },
  }
}

/** Of release `fedsam` in namespace `system`. */
export async function findQuickstart(node: RunningNode, system: string, tenant: string): Promise<Quickstart> {
  const get = async (namespace: string, kind: string, name: string) =>
    JSON.parse(await node.kubectl(['-n', namespace, 'get', kind, name, '-o', 'json']))
  const service = await get(system, 'service', `fedsam-s3-${tenant}`)
  const { data } = (await get(tenant, 'secret', KEYS_SECRET)) as { data: Record<string, string> }
  const decoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
  const authority = (await get(tenant, 'configmap', AUTHORITY)).data['ca.crt'] as string
  setDefaultCACertificates([...getCACertificates('default'), authority])
  const caFile = join(node.folder, 'quickstart-ca.crt')
  await writeFile(caFile, authority)
  const [{ port }] = service.spec.ports
  return {
    endpoint: `https://127.0.0.1:${await relayTo(service.spec.clusterIP, port)}`,
    keys: Object.fromEntries(decoded),
    caFile,
  }
}

/** Serves a free port of this machine that leads to the address. It does not keep the process from ending. */
async function relayTo(host: string, port: number): Promise<number> {
  const relay = createServer((near) => {
    const far = connect(port, host)
    const end = () => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on('error', end).on('close', end).unref()
    near.pipe(far).pipe(near)
  })
  relay.listen(0, '127.0.0.1').unref()
  await once(relay, 'listening')
  return (relay.address() as AddressInfo).port
}

/** The bucket under a prefix, as its owner sees it. To be closed. */
export function openBucket({ endpoint, keys }: Quickstart, prefix: string): ObjectStore {
  return openS3Store({
    bucket: BUCKET,
    prefix,
    endpoint,
    region: REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: keys.AWS_ACCESS_KEY_ID!, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY! },
  })
}

/** Puts the example's checkpoint under the prefix. */
export async function uploadCheckpoint(quickstart: Quickstart, prefix: string): Promise<void> {
  const store = openBucket(quickstart, prefix)
  const folder = join(ROOT, 'examples/models/sam-tiny-scenes')
  for (const name of await readdir(folder)) await store.put(name, await readFile(join(folder, name)))
  await store.close()
}
