// Makes examples/brain-tissue.yaml runnable in a cluster as it is on a laptop: a volume and claim per site, the checkpoint in the
// quickstart's bucket, its keys as a Secret beside the job, and the job with storage and messaging. Leaves applying it to the reader.
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { openS3Store } from '#transport/s3.ts'
import { ROOT } from '../images/dockerfile.ts'
import type { RunningNode } from '../kubernetes/node.ts'

const NAMESPACE = 'default'
const SECRET = 's3-credentials'
const BUCKET = 'fedsam'
const REGION = 'us-east-1'
const CHECKPOINT = 'models/sam-tiny-scenes'

export interface ExampleJob {
  readonly spec: {
    readonly trainer: { readonly segmentAnything: Readonly<Record<string, unknown>> }
    readonly partitions: readonly { readonly name: string; readonly dataset: { readonly root: string } }[]
  }
}

/** The quickstart's servers as pods name them, and the bucket as this machine reaches it. */
interface Quickstart {
  readonly s3: string
  readonly nats: string
  readonly endpoint: string
  readonly keys: Readonly<Record<string, string>>
}

/** Resolves to the path of a job file to apply. */
export async function prepareExample(node: RunningNode, system: string): Promise<string> {
  const job = parse(await readFile(join(ROOT, 'examples/brain-tissue.yaml'), 'utf8')) as ExampleJob
  const quickstart = await findQuickstart(node, system)
  await uploadCheckpoint(quickstart)
  const items: object[] = [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: SECRET }, stringData: quickstart.keys },
  ]
  for (const { name, dataset } of job.spec.partitions)
    items.push(...(await volume(node.folder, name, join(ROOT, 'examples', dataset.root))))
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await node.kubectl(['-n', NAMESPACE, 'apply', '--server-side', '-f', '-'], list)
  const file = join(node.folder, 'brain-tissue.yaml')
  await writeFile(file, stringify(inCluster(job, quickstart)))
  return file
}

/** The same job with claims for folders and a bucket for the output; the node has no GPU, so CPUs by choice. */
export function inCluster(job: ExampleJob, { s3, nats }: Pick<Quickstart, 's3' | 'nats'>): object {
  const { spec } = job
  const checkpoint = { uri: `s3://${BUCKET}/${CHECKPOINT}` }
  const partitions = spec.partitions.map(({ name, dataset }) => ({
    name,
    source: { persistentVolumeClaim: { claimName: name } },
    dataset: { ...dataset, root: '/data' },
  }))
  return {
    ...job,
    spec: {
      ...spec,
      trainer: { segmentAnything: { ...spec.trainer.segmentAnything, checkpoint, backend: 'TensorFlow' } },
      partitions,
      storage: { s3: { bucket: BUCKET, endpoint: s3, region: REGION, credentialsSecretName: SECRET } },
      messaging: { nats: { url: nats } },
    },
  }
}

async function findQuickstart(node: RunningNode, system: string): Promise<Quickstart> {
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

async function uploadCheckpoint({ endpoint, keys }: Quickstart): Promise<void> {
  const store = openS3Store({
    bucket: BUCKET,
    prefix: CHECKPOINT,
    endpoint,
    region: REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: keys.AWS_ACCESS_KEY_ID!, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY! },
  })
  const folder = join(ROOT, 'examples', CHECKPOINT)
  for (const name of await readdir(folder)) await store.put(name, await readFile(join(folder, name)))
  await store.close()
}

/** A volume over a copy of the folder, and the claim that it is kept for. */
async function volume(folder: string, name: string, from: string): Promise<object[]> {
  const path = join(folder, 'volumes', name)
  await cp(from, path, { recursive: true })
  const common = { accessModes: ['ReadOnlyMany'], storageClassName: '' }
  const claimRef = { namespace: NAMESPACE, name }
  const persistentVolume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: { ...common, capacity: { storage: '1Gi' }, hostPath: { path }, claimRef },
  }
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { ...common, volumeName: name, resources: { requests: { storage: '1Gi' } } },
  }
  return [persistentVolume, claim]
}
