// The pod of one partition's worker. The trainer is the main container and has device and data. The network half is a
// native sidecar and has the client's token and the bus. FIFOs and a scratch folder connect them. The trainer gets no
// credential and no URL. Pure.
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { audienceOf, workerAccount } from '#protocol/identity.ts'
import { podLabels } from '../../objects/labels.ts'
import type { Json, StoredJob } from '../../objects/shapes.ts'
import { overlay } from './overlay.ts'
import { POD_SECURITY } from './security.ts'
import { natsParts, SECRET_VOLUMES, storeAuthorities } from './settings.ts'
import { trainerContainer } from './trainer-container.ts'
import { type WorkerPod, workersOf } from './worker-container.ts'
import { dataSidecar, networkSidecar, sidecarVolumes, TOKEN_FILE } from './worker-sidecars.ts'

/** The pod template of a partition's Job. */
export function workerTemplate(pod: WorkerPod): Json {
  const { job, spec, partition, settings } = pod
  const workers = workersOf(spec, partition)
  const template = {
    metadata: { labels: podLabels(job.metadata.name, 'worker', partition.name) },
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
        { name: 'seam', emptyDir: {} },
        { name: 'tmp', emptyDir: {} },
        ...sidecarVolumes(pod),
        tokenVolume(job),
        cacheVolume(workers.cache),
        ...dataVolumes(partition),
        ...natsParts(spec).volumes,
        ...storeAuthorities(spec).volumes,
      ],
    },
  }
  return overlay(template, workers.template)
}

/** The client's identity: a token that only the coordinator of this run accepts. */
function tokenVolume(job: StoredJob): Json {
  const audience = audienceOf(job.metadata.uid)
  const source = { serviceAccountToken: { audience, path: TOKEN_FILE, expirationSeconds: 3600 } }
  return { name: SECRET_VOLUMES.token, projected: { sources: [source] } }
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
