// The sidecars of a worker's pod, in the order of their start: `data` brings what lies in a bucket, with the partition's own
// credentials; `network` speaks with the coordinator and makes the FIFOs, once what the trainer needs is there. Both are init
// containers that go on running, so they are there before the trainer and end after it.
import { subjectPrefix } from '#protocol/messages.ts'
import { POD_FOLDERS, SEAM_FILES } from '#protocol/seam-files.ts'
import type { Json } from './objects.ts'
import { join, natsParts, secretVariables, storeAuthorities, variables } from './settings.ts'
import { WORKER_MOUNTS, type WorkerPod, workerContainer } from './worker-container.ts'

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
        FEDSAM_SOURCE_URI: source.uri,
        FEDSAM_SOURCE_ENDPOINT: endpoint,
        FEDSAM_SOURCE_REGION: region,
        FEDSAM_SOURCE_FORCE_PATH_STYLE: String(forcePathStyle),
        FEDSAM_SOURCE_FOLDER: POD_FOLDERS.data,
      }),
      ...authorities.env,
    ],
    envFrom: secretVariables(source.credentialsSecretName),
    startupProbe: startupProbe(['test', '-f', `${POD_FOLDERS.data}.complete`], spec.startDeadlineSeconds),
    resources: { requests: { cpu: '50m', memory: '128Mi' } },
    volumeMounts: [...WORKER_MOUNTS.filter(({ name }) => name !== 'seam'), ...authorities.mounts],
  }
}

/** The network half: its start is over when the FIFOs are there, and then the trainer begins. */
export function networkSidecar({ job, spec, partition, settings }: WorkerPod): Json {
  const { namespace, uid } = job.metadata
  const { seam, cache } = POD_FOLDERS
  const parts = join(natsParts(spec), storeAuthorities(spec))
  const fifos = [SEAM_FILES.input, SEAM_FILES.output, SEAM_FILES.control]
  const allThere = fifos.map((name) => `test -p ${seam}/${name}`).join(' && ')
  return {
    ...workerContainer('network', settings.images.worker, settings),
    restartPolicy: 'Always',
    env: [
      ...variables({
        FEDSAM_CLIENT: partition.name,
        FEDSAM_SUBJECTS: subjectPrefix(namespace, uid),
        FEDSAM_SEAM: seam,
        FEDSAM_SCRATCH: `${seam}/scratch`,
        FEDSAM_CACHE: cache,
        FEDSAM_BASE: String(spec.trainer.type === 'SegmentAnything'),
        FEDSAM_TOKEN_FILE: '/var/run/fedsam/token',
        FEDSAM_NO_PROGRESS_SECONDS: String(spec.round.noProgressSeconds),
      }),
      ...parts.env,
    ],
    startupProbe: startupProbe(['sh', '-c', allThere], spec.startDeadlineSeconds),
    resources: { requests: { cpu: '50m', memory: '128Mi' } },
    volumeMounts: [
      ...WORKER_MOUNTS,
      { name: 'token', mountPath: '/var/run/fedsam', readOnly: true },
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
