// The servers of the chart's quickstart on a node of ours: where pods and where this machine find them, and the bucket's keys.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectStore } from '#transport/ports.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { ROOT } from '../images/dockerfile.ts'
import type { RunningNode } from '../kubernetes/node.ts'

export const BUCKET = 'fedsam'
export const REGION = 'us-east-1'

export interface Quickstart {
  /** As pods name them. */
  readonly s3: string
  readonly nats: string
  /** The S3 server as this machine reaches it. */
  readonly endpoint: string
  /** AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
  readonly keys: Readonly<Record<string, string>>
}

/** Of release `fedsam` in this namespace. */
export async function findQuickstart(node: RunningNode, system: string): Promise<Quickstart> {
  const get = async (kind: string, name: string) =>
    JSON.parse(await node.kubectl(['-n', system, 'get', kind, name, '-o', 'json']))
  const service = await get('service', 'fedsam-s3')
  const { data } = (await get('secret', 'fedsam-s3-credentials')) as { data: Record<string, string> }
  const decoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()])
  const [{ port }] = service.spec.ports
  return {
    s3: `http://fedsam-s3.${system}.svc:${port}`,
    nats: `nats://fedsam-nats.${system}.svc:4222`,
    endpoint: `http://${service.spec.clusterIP}:${port}`,
    keys: Object.fromEntries(decoded),
  }
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
