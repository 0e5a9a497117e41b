// Reads the coordinator's environment, and reports all errors at once. `fedsam run --processes` names a job file; the operator
// names a FederatedJob. It reads no credentials: of a Secret it reads only the folder of its files.

import { BUS, CHECKPOINT, CLUSTER_JOB, JOB_FILE, STORE } from '#protocol/environment.ts'
import { COORDINATOR, memberName } from '#protocol/identity.ts'
import { isOwnInbox } from '#protocol/messages.ts'
import { COORDINATOR_PORT } from '#protocol/pods.ts'
import { SEED_BYTES, type SigningKey, signingKeyOf } from '#protocol/signatures.ts'
import { type Environment, optional, port, type Rule, readVariables, required } from '#runtime/environment.ts'
import type { NatsOptions } from '#transport/bus/nats/bus.ts'
import { BUS_RULES, natsOptions, STORE_RULES, s3Options } from '#transport/environment.ts'
import type { JobIdentity } from '#transport/kubernetes/job.ts'
import { proxyVariables } from '#transport/proxy.ts'
import type { S3Options } from '#transport/store/s3/client.ts'

/** The source of the job. */
export type JobOrigin =
  | { readonly kind: 'File'; readonly file: string; readonly certifier: SigningKey }
  | {
      readonly kind: 'Cluster'
      readonly identity: JobIdentity
      readonly metricsPort: number
      /** Folder of the API server's token and certificate authority; absent: the folder that the kubelet mounts. */
      readonly account?: string
    }

/** The addresses of everything else. */
export interface Places {
  readonly s3: S3Options
  readonly nats: NatsOptions
  /** Files of the checkpoint's own Secret; '' where it names none. */
  readonly checkpointCredentials: string
  readonly hub: Environment
}

/** A coordinator that has one of these variables has its job in a cluster. */
const IDENTITY = [CLUSTER_JOB.jobNamespace, CLUSTER_JOB.jobName, CLUSTER_JOB.jobUid]

/** Never quotes the text: it is a secret. */
const seed: Rule<Uint8Array> = (text) => {
  const bytes = Buffer.from(required(text), 'hex')
  if (bytes.length !== SEED_BYTES || text.length !== 2 * SEED_BYTES)
    throw new RangeError(` is not ${2 * SEED_BYTES} hexadecimal digits`)
  return bytes
}

/** Throws FedsamError InvalidJob. */
export function readOrigin(env: Environment): JobOrigin {
  const inCluster = IDENTITY.some(({ name }) => env[name])
  if (env[JOB_FILE.jobFile.name] || !inCluster) {
    const { jobFile, certifierSeed } = readVariables(env, JOB_FILE, {
      jobFile: required,
      certifierSeed: seed,
    })
    return { kind: 'File', file: jobFile, certifier: signingKeyOf(certifierSeed) }
  }
  const { jobNamespace, jobName, jobUid, serviceAccount, metricsPort } = readVariables(env, CLUSTER_JOB, {
    jobNamespace: required,
    jobName: required,
    jobUid: required,
    serviceAccount: optional,
    metricsPort: port(COORDINATOR_PORT),
  })
  return {
    kind: 'Cluster',
    identity: { namespace: jobNamespace, name: jobName, uid: jobUid },
    metricsPort,
    ...(serviceAccount === '' ? {} : { account: serviceAccount }),
  }
}

/** Throws FedsamError InvalidJob, which names every missing variable. */
export function readPlaces(
  env: Environment,
  { name, uid }: { readonly name: string; readonly uid: string },
): Places {
  const rules = { ...STORE_RULES, ...BUS_RULES, checkpointCredentials: optional }
  const read = readVariables(env, { ...STORE, ...BUS, ...CHECKPOINT }, rules)
  return {
    s3: s3Options(read),
    nats: {
      ...natsOptions(read, `coordinator-${name}`, memberName(uid, COORDINATOR)),
      mayAnswer: isOwnInbox,
    },
    checkpointCredentials: read.checkpointCredentials,
    hub: { ...proxyVariables(env), HF_TOKEN: env.HF_TOKEN, HF_ENDPOINT: env.HF_ENDPOINT },
  }
}

/** The address of the output bundle, for people. Never throws: readPlaces reports a bucket that is missing. */
export function outputUri(env: Environment): string {
  const [bucket, prefix] = [STORE.s3Bucket, STORE.s3Prefix].map(({ name }) => env[name] ?? '')
  return ['s3:/', bucket, ...prefix!.split('/').filter(Boolean), 'output'].join('/')
}
