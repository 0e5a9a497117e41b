// The main container of a worker's pod: a built-in trainer, or the user's image and program, started by the trainer
// script. It has the device, the data and the cache. It has no token, and no credentials of bus or bucket. Pure.

import { canonicalJson } from '#protocol/canonical.ts'
import { environmentOf, TRAINER } from '#protocol/environment.ts'
import { CONTAINERS } from '#protocol/pods.ts'
import { POD_FOLDERS } from '#protocol/seam-files.ts'
import type { Json } from '../../objects/shapes.ts'
import { variables } from './settings.ts'
import { trainerScript } from './trainer-script.ts'
import { WORKER_MOUNTS, type WorkerPod, workerContainer, workersOf } from './worker-container.ts'

/** The program of the built-in trainers, in our own images. */
const BUILT_IN = ['node', '/app/worker/trainer/main.ts']

export function trainerContainer(pod: WorkerPod): Json {
  const { spec, partition, settings } = pod
  const { accelerator, resources } = workersOf(spec, partition)
  const command = spec.trainer.type === 'Command' ? spec.trainer.command : undefined
  const { worker, workerGpu } = settings.images
  const image = command ? command.image || worker : accelerator ? workerGpu : worker
  const device = accelerator ? { [accelerator.resource]: String(accelerator.count) } : {}
  return {
    ...workerContainer(CONTAINERS.trainer, image, settings),
    command: ['sh', '-c', trainerScript(), 'sh'],
    args: command ? [...command.command, ...command.args] : [...BUILT_IN, trainerSettings(pod)],
    env: [
      ...variables({
        HOME: '/tmp',
        ...environmentOf(TRAINER, {
          client: partition.name,
          dataset: canonicalJson(partition.dataset),
          // They depend on the other partitions, which may change while the job runs. A Job's template cannot: the partition's own template
          // may name them.
          ...{ partitionId: undefined, numPartitions: undefined },
        }),
      }),
      ...(command?.env ?? []),
    ],
    resources: {
      ...(resources.requests ? { requests: resources.requests } : {}),
      limits: { ...resources.limits, ...device },
    },
    volumeMounts: [...WORKER_MOUNTS, ...dataMounts(pod)],
  }
}

/** JSON that worker/trainer/settings.ts reads. */
function trainerSettings({ spec, partition }: WorkerPod): string {
  const { accelerator } = workersOf(spec, partition)
  return canonicalJson({
    trainer: spec.trainer.segmentAnything ?? null,
    dataset: partition.dataset,
    checkpoint: POD_FOLDERS.checkpoint,
    cache: POD_FOLDERS.embeddings,
    whenUnseen: accelerator?.whenUnseen ?? null,
    waitSeconds: spec.startDeadlineSeconds,
    logPreflight: true,
  })
}

/** The data, read-only, at the path that the dataset names. */
function dataMounts({ partition: { source, dataset } }: WorkerPod): Json[] {
  const mountPath = dataset.root
  if (source?.persistentVolumeClaim) return [{ name: 'data', mountPath, readOnly: true }]
  return source?.s3 ? [{ name: 'cache', mountPath, subPath: 'data', readOnly: true }] : []
}
