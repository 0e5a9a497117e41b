// Makes examples/brain-tissue.yaml runnable in a cluster as it is on a laptop: a volume and claim per site, the checkpoint in the
// quickstart's bucket, its keys as a Secret beside the job, and the job with storage and messaging. Leaves applying it to the reader.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { ROOT } from '../images/dockerfile.ts'
import type { RunningNode } from '../kubernetes/node.ts'
import { BUCKET, findQuickstart, type Quickstart, REGION, uploadCheckpoint } from './quickstart.ts'
import { claimOf } from './volumes.ts'

const NAMESPACE = 'default'
const SECRET = 's3-credentials'
const CHECKPOINT = 'models/sam-tiny-scenes'

export interface ExampleJob {
  readonly spec: {
    readonly trainer: { readonly segmentAnything: Readonly<Record<string, unknown>> }
    readonly partitions: readonly { readonly name: string; readonly dataset: { readonly root: string } }[]
  }
}

/** Resolves to the path of a job file to apply. */
export async function prepareExample(node: RunningNode, system: string): Promise<string> {
  const job = await readExample()
  const quickstart = await findQuickstart(node, system)
  await uploadCheckpoint(quickstart, CHECKPOINT)
  const items: object[] = [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: SECRET }, stringData: quickstart.keys },
  ]
  for (const { name, dataset } of job.spec.partitions)
    items.push(
      ...(await claimOf({
        folder: node.folder,
        namespace: NAMESPACE,
        name,
        from: join(ROOT, 'examples', dataset.root),
      })),
    )
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await node.kubectl(['-n', NAMESPACE, 'apply', '--server-side', '-f', '-'], list)
  const file = join(node.folder, 'brain-tissue.yaml')
  await writeFile(file, stringify(inCluster(job, quickstart)))
  return file
}

/** examples/brain-tissue.yaml as it is on a laptop. */
export async function readExample(): Promise<ExampleJob> {
  return parse(await readFile(join(ROOT, 'examples/brain-tissue.yaml'), 'utf8')) as ExampleJob
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
      allowInsecure: true,
    },
  }
}
