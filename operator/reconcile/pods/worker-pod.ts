// The pod of one partition's worker. The trainer is the main container and has device and data. The network half is a
// native sidecar and has the client's token and the bus. FIFOs and a scratch folder connect them. The trainer gets no
// credential and no URL. Pure.
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { workerAccount } from '#protocol/identity.ts'
import { CONTAINERS } from '#protocol/pods.ts'
import { podLabels } from '../../objects/labels.ts'
import type { Json } from '../../objects/shapes.ts'
import { overlay } from './overlay.ts'
import { POD_SECURITY } from './security.ts'
import { natsParts, storeAuthorities } from './settings.ts'
import { trainerContainer } from './trainer-container.ts'
import { type WorkerPod, workersOf } from './worker-container.ts'
import { dataSidecar, networkSidecar, sidecarVolumes } from './worker-sidecars.ts'

/**
 * Amazon's webhook gives the token of a cloud role to every container of a pod but those that this annotation names: the data sidecar
 * may need it, and the trainer must not have it.
 */
const SKIP_CONTAINERS = 'eks.amazonaws.com/skip-containers'

/** The pod template of a partition's Job. */
export function workerTemplate(pod: WorkerPod): Json {
  const { job, spec, partition, settings } = pod
  const workers = workersOf(spec, partition)
  // What the trainer writes is bounded as its cache is: else it could fill the node's disk.
  const sizeLimit = String(workers.cache.sizeLimit)
  const template = {
    metadata: {
      labels: podLabels(job.metadata.name, 'worker', partition.name),
      annotations: { [SKIP_CONTAINERS]: CONTAINERS.trainer },
    },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName: workerAccount(job.metadata.name, partition),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      imagePullSecrets: settings.pullSecrets.map((name) => ({ name })),
      terminationGracePeriodSeconds: 30,
      securityContext: { ...POD_SECURITY, ...partition.securityContext },
      nodeSelector: partition.nodeSelector,
      tolerations: partition.tolerations,
      initContainers: [...(partition.source?.s3 ? [dataSidecar(pod)] : []), networkSidecar(pod)],
      containers: [trainerContainer(pod)],
      volumes: [
        { name: 'seam', emptyDir: { sizeLimit } },
        { name: 'tmp', emptyDir: { sizeLimit } },
        ...sidecarVolumes(pod),
        cacheVolume(workers.cache),
        ...dataVolumes(partition),
        ...natsParts(spec, job, { role: 'client', client: partition.name }).volumes,
        ...storeAuthorities(spec).volumes,
      ],
    },
  }
  return overlay(template, workers.template, settings.podTemplates)
}

function cacheVolume(cache: CompleteFederatedJobSpec['workers']['cache']): Json {
  const claim = cache.volumeClaimTemplate
  if (!claim) return { name: 'cache', emptyDir: { sizeLimit: String(cache.sizeLimit) } }
  const { metadata, spec } = claim as { metadata?: Json; spec?: Json }
  const kept = Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => key !== 'name'))
  return { name: 'cache', ephemeral: { volumeClaimTemplate: { metadata: kept, spec } } }
}

function dataVolumes({ source }: CompletePartitionSpec): Json[] {
  const claim = source?.persistentVolumeClaim
  return claim
    ? [{ name: 'data', persistentVolumeClaim: { claimName: claim.claimName, readOnly: true } }]
    : []
}
