// What all containers of a worker's pod have in common, whoever's image they run.
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { POD_FOLDERS } from '#protocol/seam-files.ts'
import type { Settings } from '../../objects/settings.ts'
import type { Json, StoredJob } from '../../objects/shapes.ts'
import { CONTAINER_SECURITY } from './security.ts'

/** The settings of a worker's pod: workers, with each field of the partition's own instead. A count of 0 asks for no device. */
export function workersOf(spec: CompleteFederatedJobSpec, partition: CompletePartitionSpec) {
  const { accelerator, ...others } = { ...spec.workers, ...partition.workers }
  return { ...others, accelerator: accelerator && accelerator.count > 0 ? accelerator : undefined }
}

/** What the containers of a worker's pod are rendered from. */
export interface WorkerPod {
  readonly job: StoredJob
  readonly spec: CompleteFederatedJobSpec
  readonly partition: CompletePartitionSpec
  readonly settings: Settings
}

/** What every container of the pod has: the folders of the seam, the cache, and room for what is passing. */
export const WORKER_MOUNTS: readonly Json[] = [
  { name: 'seam', mountPath: POD_FOLDERS.seam },
  { name: 'cache', mountPath: POD_FOLDERS.cache },
  { name: 'tmp', mountPath: '/tmp' },
]

/** A container of this name, without what is its own. */
export function workerContainer(name: string, image: string, settings: Settings): Json {
  return {
    name,
    image,
    imagePullPolicy: settings.pullPolicy,
    securityContext: CONTAINER_SECURITY,
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}
