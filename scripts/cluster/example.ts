// Makes examples/brain-tissue.yaml runnable in a cluster as it is on a laptop: a volume and claim per site, the checkpoint in the
// quickstart's bucket, and the job with storage and messaging. Leaves applying it to the reader.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { ROOT } from '../images/dockerfile.ts'
import type { RunningNode } from '../kubernetes/node.ts'
import { BUCKET, findQuickstart, placesOf, uploadCheckpoint } from './quickstart.ts'
import { claimOf } from './volumes.ts'

/** The quickstart's tenant where no other is named. */
const NAMESPACE = 'default'
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
  await uploadCheckpoint(await findQuickstart(node, system, NAMESPACE), CHECKPOINT)
  const items: object[] = []
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
  await writeFile(file, stringify(inCluster(job, placesOf(system, NAMESPACE))))
  return file
}

/** examples/brain-tissue.yaml as it is on a laptop. */
export async function readExample(): Promise<ExampleJob> {
  return parse(await readFile(join(ROOT, 'examples/brain-tissue.yaml'), 'utf8')) as ExampleJob
}

/** The same job with claims for folders and a bucket for the output; the node has no GPU, so CPUs by choice. */
export function inCluster(job: ExampleJob, places: ReturnType<typeof placesOf>): object {
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
      ...places,
    },
  }
}
