// What the coordinator reads of its environment, in one place, all errors at once. `fedsam run --processes` names a job file; the
// operator names a FederatedJob. Credentials are never read here, except where files of a Secret lie.
import { FedsamError } from '#protocol/errors.ts'
import { type Environment, requireVariables } from '#runtime/environment.ts'
import type { NatsOptions } from '#transport/bus/nats/bus.ts'
import { natsOptions, s3Options } from '#transport/environment.ts'
import type { JobIdentity } from '#transport/kubernetes/job.ts'
import { proxyVariables } from '#transport/proxy.ts'
import type { S3Options } from '#transport/store/s3/client.ts'

/** Where the job comes from. */
export type JobOrigin =
  | { readonly kind: 'File'; readonly file: string }
  | {
      readonly kind: 'Cluster'
      readonly identity: JobIdentity
      readonly metricsPort: number
      /** Where the token and the authority of the API server lie; the kubelet's own folder where it is absent. */
      readonly account?: string
    }

/** Where everything else is. */
export interface Places {
  readonly s3: S3Options
  readonly nats: NatsOptions
  /** Files of the checkpoint's own Secret; '' where it names none. */
  readonly checkpointCredentials: string
  readonly hub: Environment
}

const METRICS_PORT = '8080'
const IDENTITY = ['FEDSAM_JOB_NAMESPACE', 'FEDSAM_JOB_NAME', 'FEDSAM_JOB_UID'] as const

/** Throws FedsamError InvalidJob. */
export function readOrigin(env: Environment): JobOrigin {
  if (env.FEDSAM_JOB_FILE) return { kind: 'File', file: env.FEDSAM_JOB_FILE }
  if (IDENTITY.every((name) => !env[name])) requireVariables(env, ['FEDSAM_JOB_FILE'])
  const named = requireVariables(env, IDENTITY)
  const port = env.FEDSAM_METRICS_PORT || METRICS_PORT
  if (!/^\d{1,5}$/.test(port)) throw new FedsamError('InvalidJob', `FEDSAM_METRICS_PORT: ${port} is no port`)
  return {
    kind: 'Cluster',
    identity: {
      namespace: named.FEDSAM_JOB_NAMESPACE,
      name: named.FEDSAM_JOB_NAME,
      uid: named.FEDSAM_JOB_UID,
    },
    metricsPort: Number(port),
    ...(env.FEDSAM_SERVICE_ACCOUNT ? { account: env.FEDSAM_SERVICE_ACCOUNT } : {}),
  }
}

/** Throws FedsamError InvalidJob, naming all that is missing. */
export function readPlaces(env: Environment, job: string): Places {
  requireVariables(env, ['FEDSAM_S3_BUCKET', 'FEDSAM_NATS_URL'])
  return {
    s3: s3Options(env),
    nats: natsOptions(env, `coordinator-${job}`),
    checkpointCredentials: env.FEDSAM_CHECKPOINT_CREDENTIALS ?? '',
    hub: { ...proxyVariables(env), HF_TOKEN: env.HF_TOKEN, HF_ENDPOINT: env.HF_ENDPOINT },
  }
}
