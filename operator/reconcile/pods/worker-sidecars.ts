// The sidecars of a worker's pod, in the order of their start: `data` brings what lies in a bucket, with the partition's own
// credentials; `network` speaks with the coordinator and makes the FIFOs, once what the trainer needs is there. Both are init
// containers that go on running, so they are there before the trainer and end after it.
import { environmentOf, SOURCE, WORKER_POD } from '#protocol/environment.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { POD_FOLDERS, SEAM_FILES } from '#protocol/seam-files.ts'
import type { Json } from '../../objects/shapes.ts'
import { join, natsParts, SECRET_VOLUMES, secretVariables, storeAuthorities, variables } from './settings.ts'
import { WORKER_MOUNTS, type WorkerPod, workerContainer } from './worker-container.ts'

/** Where the network half finds its token. */
const TOKEN_FOLDER = '/var/run/fedsam'
/** The token's file in its volume. */
export const TOKEN_FILE = 'token'

/** A folder /tmp of the sidecar's own: the trainer runs foreign code, and a sidecar has credentials. */
const tmpOf = (sidecar: 'data' | 'network'): string => `tmp-${sidecar}`
/** Bytes of such a folder: nothing of ours writes there, what libraries leave fits. */
const TMP_SIZE = '64Mi'

/** The volumes of the sidecars' own. */
export function sidecarVolumes({ partition }: WorkerPod): Json[] {
  const sidecars = partition.source?.s3 ? (['data', 'network'] as const) : (['network'] as const)
  return sidecars.map((sidecar) => ({ name: tmpOf(sidecar), emptyDir: { sizeLimit: TMP_SIZE } }))
}

function sidecarMounts(sidecar: 'data' | 'network'): Json[] {
  return WORKER_MOUNTS.map((mount) => (mount.name === 'tmp' ? { ...mount, name: tmpOf(sidecar) } : mount))
}

/** No home and no files of AWS' tools: what a trainer leaves in a shared folder is never a sidecar's configuration. */
const NO_FILES = {
  HOME: '/nonexistent',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
} as const

/** Fetches the partition's S3 source once, and says that it is complete by a file. */
export function dataSidecar({ spec, partition, settings }: WorkerPod): Json {
  const source = partition.source!.s3!
  const { endpoint = '', region = '', forcePathStyle = true } = spec.storage?.s3 ?? {}
  const authorities = storeAuthorities(spec)
  return {
    ...workerContainer('data', settings.images.worker, settings),
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
        }),
      }),
      ...authorities.env,
    ],
    envFrom: secretVariables(source.credentialsSecretName),
    startupProbe: startupProbe(['test', '-f', `${POD_FOLDERS.data}.complete`], spec.startDeadlineSeconds),
    resources: { requests: { cpu: '50m', memory: '128Mi' } },
    volumeMounts: [...sidecarMounts('data').filter(({ name }) => name !== 'seam'), ...authorities.mounts],
  }
}

/** The network half: its start is over when the FIFOs are there, and then the trainer begins. */
export function networkSidecar({ job, spec, partition, settings }: WorkerPod): Json {
  const { namespace, uid } = job.metadata
  const { seam, cache } = POD_FOLDERS
  const nats = natsParts(spec)
  const parts = join(nats, storeAuthorities(spec))
  const fifos = [SEAM_FILES.input, SEAM_FILES.output, SEAM_FILES.control]
  const allThere = fifos.map((name) => `test -p ${seam}/${name}`).join(' && ')
  return {
    ...workerContainer('network', settings.images.worker, settings),
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
          tokenFile: `${TOKEN_FOLDER}/${TOKEN_FILE}`,
          seam,
          cache,
          base: String(spec.trainer.type === 'SegmentAnything'),
          ...nats.values,
        }),
      }),
      ...parts.env,
    ],
    startupProbe: startupProbe(['sh', '-c', allThere], spec.startDeadlineSeconds),
    resources: { requests: { cpu: '50m', memory: '128Mi' } },
    volumeMounts: [
      ...sidecarMounts('network'),
      { name: SECRET_VOLUMES.token, mountPath: TOKEN_FOLDER, readOnly: true },
      ...parts.mounts,
    ],
  }
}

const PROBE_SECONDS = 2

/** Curable faults are waited for inside for `seconds`; then the container starts again, and waits again. */
function startupProbe(command: readonly string[], seconds: number): Json {
  const failureThreshold = Math.ceil(seconds / PROBE_SECONDS)
  return { exec: { command }, periodSeconds: PROBE_SECONDS, timeoutSeconds: 5, failureThreshold }
}
