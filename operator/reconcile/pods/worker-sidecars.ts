// The sidecars of a worker's pod, in the order of their start. `data` downloads the partition's data from a bucket,
// with the partition's own credentials. `network` talks to the coordinator, and creates the FIFOs when the trainer's
// inputs are ready. Both are native sidecars (init containers that keep running): they start before the trainer and
// end after it. Pure.

import { environmentOf, SOURCE, WORKER_POD } from '#protocol/environment.ts'
import { requiresTls } from '#protocol/insecure.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { CONTAINERS } from '#protocol/pods.ts'
import { completeMarker, POD_FOLDERS, SEAM_FILES } from '#protocol/seam-files.ts'
import type { Json } from '../../objects/shapes.ts'
import { join, natsParts, secretVariables, storeAuthorities, storeUrl, variables } from './settings.ts'
import { WORKER_MOUNTS, type WorkerPod, workerContainer } from './worker-container.ts'

/**
 * Memory of a sidecar. The network half holds parts of 16 MiB and one header of at most 8 MiB, the data sidecar streams. The limit
 * bounds what a trainer or a server can make them hold.
 */
const RESOURCES = { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '1Gi' } }

/** The volume of the sidecar's own /tmp: a sidecar has credentials, and the trainer runs the user's code. */
const tmpOf = (sidecar: 'data' | 'network'): string => `tmp-${sidecar}`
/** Size of such a /tmp. Our programs write nothing there; the temporary files of libraries are small. */
const TMP_SIZE = '64Mi'

/** The client's key, in the network half's own /tmp: it survives a restart of the container, and the trainer never sees it. */
const KEY_FILE = '/tmp/client-key'

/** The volumes that only sidecars mount. */
export function sidecarVolumes({ partition }: WorkerPod): Json[] {
  const sidecars = partition.source?.s3 ? (['data', 'network'] as const) : (['network'] as const)
  return sidecars.map((sidecar) => ({ name: tmpOf(sidecar), emptyDir: { sizeLimit: TMP_SIZE } }))
}

function sidecarMounts(sidecar: 'data' | 'network'): Json[] {
  return WORKER_MOUNTS.map((mount) => (mount.name === 'tmp' ? { ...mount, name: tmpOf(sidecar) } : mount))
}

/**
 * No home and no configuration of AWS tools: a file that a trainer writes to a shared folder never configures a
 * sidecar.
 */
const NO_FILES = {
  HOME: '/nonexistent',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
} as const

/** Downloads the partition's S3 source once. Its startup probe succeeds when the file `.complete` exists. */
export function dataSidecar({ spec, partition, settings }: WorkerPod): Json {
  const source = partition.source!.s3!
  const { endpoint = '', region = '', forcePathStyle = true } = spec.storage?.s3 ?? {}
  const authorities = storeAuthorities(spec)
  return {
    ...workerContainer(CONTAINERS.data, settings.images.worker, settings),
    restartPolicy: 'Always',
    command: ['node', 'worker/source/main.ts'],
    env: [
      ...variables({
        ...NO_FILES,
        ...environmentOf(SOURCE, {
          sourceUri: source.uri,
          sourceFolder: POD_FOLDERS.data,
          sourceEndpoint: endpoint,
          sourceRegion: region,
          sourceForcePathStyle: String(forcePathStyle),
          requireTls: String(requiresTls(spec)),
        }),
      }),
      ...authorities.env,
    ],
    envFrom: secretVariables(source.credentialsSecretName),
    startupProbe: startupProbe(['test', '-f', completeMarker(POD_FOLDERS.data)], spec.startDeadlineSeconds),
    resources: RESOURCES,
    volumeMounts: [...sidecarMounts('data').filter(({ name }) => name !== 'seam'), ...authorities.mounts],
  }
}

/** The network half. Its startup probe succeeds when the FIFOs exist; then the kubelet starts the trainer. */
export function networkSidecar({ job, spec, partition, settings }: WorkerPod): Json {
  const { namespace, uid } = job.metadata
  const { seam, cache } = POD_FOLDERS
  const nats = natsParts(spec, job, { role: 'client', client: partition.name })
  const parts = join(nats, storeAuthorities(spec))
  const fifos = [SEAM_FILES.input, SEAM_FILES.output, SEAM_FILES.control]
  const allThere = fifos.map((name) => `test -p ${seam}/${name}`).join(' && ')
  return {
    ...workerContainer(CONTAINERS.network, settings.images.worker, settings),
    restartPolicy: 'Always',
    env: [
      ...variables({
        ...NO_FILES,
        ...environmentOf(WORKER_POD, {
          client: partition.name,
          subjects: subjectPrefix(namespace, uid),
          scratch: `${seam}/scratch`,
          noProgressSeconds: String(spec.round.noProgressSeconds),
          answerSeconds: undefined,
          trust: settings.trust.join(','),
          stores: storeUrl(spec),
          keyFile: KEY_FILE,
          seam,
          cache,
          base: String(spec.trainer.type === 'SegmentAnything'),
          ...nats.values,
        }),
      }),
      ...parts.env,
    ],
    startupProbe: startupProbe(['sh', '-c', allThere], spec.startDeadlineSeconds),
    resources: RESOURCES,
    volumeMounts: [...sidecarMounts('network'), ...parts.mounts],
  }
}

/** Seconds between two startup probes: a worker starts at most this much later than it could. */
const PROBE_SECONDS = 2

/**
 * The container waits up to `seconds` for faults that pass, such as an unreachable store. Then the kubelet restarts
 * it.
 */
function startupProbe(command: readonly string[], seconds: number): Json {
  const failureThreshold = Math.ceil(seconds / PROBE_SECONDS)
  return { exec: { command }, periodSeconds: PROBE_SECONDS, timeoutSeconds: 5, failureThreshold }
}
