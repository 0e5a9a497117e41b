// The common parts of all containers of a worker's pod, our own images and the user's. Pure.
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { POD_FOLDERS } from '#protocol/seam-files.ts'
import type { Settings } from '../../objects/settings.ts'
import type { Json, StoredJob } from '../../objects/shapes.ts'
import { CONTAINER_SECURITY } from './security.ts'

/**
 * The settings of a worker's pod: spec.workers, where the partition has no field of its own. A count of 0 requests no
 * device.
 */
export function workersOf(spec: CompleteFederatedJobSpec, partition: CompletePartitionSpec) {
  const { accelerator, ...others } = { ...spec.workers, ...partition.workers }
  return { ...others, accelerator: accelerator && accelerator.count > 0 ? accelerator : undefined }
}

/** The input from which the containers of a worker's pod are rendered. */
export interface WorkerPod {
  readonly job: StoredJob
  readonly spec: CompleteFederatedJobSpec
  readonly partition: CompletePartitionSpec
  readonly settings: Settings
}

/** The mounts of every container of the pod: the seam, the cache, and temporary files. */
export const WORKER_MOUNTS: readonly Json[] = [
  { name: 'seam', mountPath: POD_FOLDERS.seam },
  { name: 'cache', mountPath: POD_FOLDERS.cache },
  { name: 'tmp', mountPath: '/tmp' },
]

/** The common fields of a container with this name. */
export function workerContainer(name: string, image: string, settings: Settings): Json {
  return {
    name,
    image,
    imagePullPolicy: settings.pullPolicy,
    securityContext: CONTAINER_SECURITY,
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}
