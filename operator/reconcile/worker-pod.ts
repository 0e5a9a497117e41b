// The pod of one partition's worker: the trainer as main container, with device and data; the network half as native sidecar,
// with the client's token and the bus; two FIFOs and a scratch folder between them. The trainer sees no credential and no URL.
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { workerName } from '#protocol/names.ts'
import { CONTAINER_SECURITY, POD_SECURITY, podLabels } from './labels.ts'
import type { Json, Settings, StoredJob } from './objects.ts'
import { overlay } from './overlay.ts'
import { natsParts } from './settings.ts'

const SEAM = '/seam'
const CACHE = '/cache'

/** What a worker's pod is made of: workers, with each field of the partition's own instead. */
export function workersOf(spec: CompleteFederatedJobSpec, partition: CompletePartitionSpec) {
  return { ...spec.workers, ...partition.workers }
}

/** The pod template of a partition's Job. */
export function workerTemplate(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  partition: CompletePartitionSpec,
  settings: Settings,
): Json {
  const workers = workersOf(spec, partition)
  const volumes = [...cacheVolumes(workers.cache), ...dataVolumes(partition), ...natsParts(spec).volumes]
  const template = {
    metadata: { labels: podLabels(job.metadata.name, 'worker', partition.name) },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName: partition.serviceAccountName || workerName(job.metadata.name, partition.name),
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 30,
      securityContext: { ...POD_SECURITY, ...partition.securityContext },
      nodeSelector: partition.nodeSelector,
      tolerations: partition.tolerations,
      initContainers: [networkHalf(job, spec, partition, settings)],
      containers: [trainer(spec, partition, settings)],
      volumes: [{ name: 'seam', emptyDir: {} }, { name: 'tmp', emptyDir: {} }, tokenVolume(job), ...volumes],
    },
  }
  return overlay(template, workers.template)
}

/** The client's identity: a token that only this run's coordinator accepts. */
function tokenVolume(job: StoredJob): Json {
  const audience = `fedsam.dev/${job.metadata.uid}`
  const source = { serviceAccountToken: { audience, path: 'token', expirationSeconds: 3600 } }
  return { name: 'token', projected: { sources: [source] } }
}

function cacheVolumes(cache: CompleteFederatedJobSpec['workers']['cache']): Json[] {
  const claim = cache.volumeClaimTemplate
  if (!claim) return [{ name: 'cache', emptyDir: { sizeLimit: String(cache.sizeLimit) } }]
  const { metadata, spec } = claim as { metadata?: Json; spec?: Json }
  const kept = Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => key !== 'name'))
  return [{ name: 'cache', ephemeral: { volumeClaimTemplate: { metadata: kept, spec } } }]
}

function dataVolumes({ source }: CompletePartitionSpec): Json[] {
  const claim = source?.persistentVolumeClaim
  return claim
    ? [{ name: 'data', persistentVolumeClaim: { claimName: claim.claimName, readOnly: true } }]
    : []
}

const SHARED_MOUNTS = [
  { name: 'seam', mountPath: SEAM },
  { name: 'cache', mountPath: CACHE },
  { name: 'tmp', mountPath: '/tmp' },
]

function networkHalf(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  partition: CompletePartitionSpec,
  settings: Settings,
): Json {
  const { namespace, uid } = job.metadata
  const nats = natsParts(spec)
  return {
    name: 'network',
    image: settings.images.worker,
    imagePullPolicy: settings.pullPolicy,
    // What makes an init container a native sidecar: it outlives the start, and ends after the trainer.
    restartPolicy: 'Always',
    args: ['worker'],
    env: [
      { name: 'FEDSAM_CLIENT', value: partition.name },
      { name: 'FEDSAM_SUBJECTS', value: `fedsam.${namespace}.${uid}` },
      { name: 'FEDSAM_SCRATCH', value: SEAM },
      { name: 'FEDSAM_SEAM', value: SEAM },
      { name: 'FEDSAM_TOKEN_FILE', value: '/var/run/fedsam/token' },
      { name: 'FEDSAM_NO_PROGRESS_SECONDS', value: String(spec.round.noProgressSeconds) },
      ...nats.env,
    ],
    // The trainer starts once both FIFOs are there.
    startupProbe: {
      exec: { command: ['sh', '-c', `test -p ${SEAM}/in -a -p ${SEAM}/out`] },
      periodSeconds: 1,
      failureThreshold: 120,
    },
    resources: { requests: { cpu: '50m', memory: '128Mi' } },
    securityContext: CONTAINER_SECURITY,
    volumeMounts: [
      ...SHARED_MOUNTS,
      { name: 'token', mountPath: '/var/run/fedsam', readOnly: true },
      ...nats.mounts,
    ],
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}

function trainer(spec: CompleteFederatedJobSpec, partition: CompletePartitionSpec, settings: Settings): Json {
  const { accelerator, resources } = workersOf(spec, partition)
  const device = accelerator ? { [accelerator.resource]: String(accelerator.count) } : {}
  const command = spec.trainer.type === 'Command' ? spec.trainer.command : undefined
  const own = accelerator ? settings.images.workerGpu : settings.images.worker
  const claim = partition.source?.persistentVolumeClaim
  const data = claim ? [{ name: 'data', mountPath: partition.dataset.root, readOnly: true }] : []
  return {
    name: 'trainer',
    image: command?.image || own,
    imagePullPolicy: settings.pullPolicy,
    // The program's own arguments follow "sh": its standard streams are the FIFOs.
    command: ['sh', '-c', `exec "$@" <${SEAM}/in >${SEAM}/out`, 'sh'],
    args: command ? [...command.command, ...command.args] : ['fedsam-trainer'],
    env: [
      { name: 'FEDSAM_DATASET', value: JSON.stringify(partition.dataset) },
      { name: 'FEDSAM_CACHE', value: CACHE },
      { name: 'FEDSAM_WHEN_UNSEEN', value: accelerator?.whenUnseen ?? 'UseCPU' },
      ...(command?.env ?? []),
    ],
    resources: {
      ...(resources.requests ? { requests: resources.requests } : {}),
      limits: { ...resources.limits, ...device },
    },
    securityContext: CONTAINER_SECURITY,
    volumeMounts: [...SHARED_MOUNTS, ...data],
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}
