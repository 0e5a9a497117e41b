// Opens a run's record by the name that the user gave: an output folder, s3://bucket/prefix, or fj/NAME in a cluster. It reads a
// bucket with the caller's own AWS credentials; it reads the job's Secret only where the caller asks for that. The AWS SDK is heavy, so
// it is loaded for a bucket only.
import { resolve } from 'node:path'
import type { StoredJob } from '#operator/objects/shapes.ts'
import { completeSpec } from '#protocol/defaults.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteS3Spec } from '#protocol/generated/federatedjob.ts'
import { runPrefix } from '#protocol/names.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { boundedStore } from '#transport/store/bounded.ts'
import { recordAddress } from '#transport/store/s3/address.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import { openRecordFolder, recordFolder } from '../run/record-folder.ts'
import { CLUSTER_OPTIONS, type Cluster, type ClusterOptions, withCluster } from './connect.ts'
import { findJob, isJobReference } from './find-job.ts'
import { SECRETS } from './questions.ts'

/** Options of every command that reads a record. */
export const SOURCE_OPTIONS = {
  ...CLUSTER_OPTIONS,
  endpoint: { type: 'string' },
  'credentials-from-secret': { type: 'boolean' },
} as const

/** Digests in the job's status in the cluster, which a change of the store leaves unchanged. Each is "sha256:…". */
export interface ReportedDigests {
  /** The newest reported result. A running job may have written later ones. */
  readonly head?: string | undefined
  readonly complete?: boolean
  readonly model?: string | undefined
  /** The key that the operator certified for the coordinator that completed the job; undefined while it runs. */
  readonly signer?: { readonly epoch: number; readonly key: string } | undefined
}

export interface SourceOptions extends ClusterOptions {
  /** Replaces the job's endpoint, which may be reachable only inside the cluster. */
  readonly endpoint?: string | undefined
  readonly 'credentials-from-secret'?: boolean | undefined
}

/** Attempts of a request to the store: a user at a terminal should not wait long. */
const ATTEMPTS = 3

/** Opens the record, runs the action and closes it. The error of an unreachable store says how to reach it. */
export async function withRecord<T>(
  source: string,
  options: SourceOptions,
  use: (store: ObjectStore, reported: ReportedDigests) => Promise<T>,
): Promise<T> {
  const { store, hint, reported = {} } = await openRecord(source, options)
  try {
    return await use(store, reported)
  } catch (error) {
    throw withHint(error, hint)
  } finally {
    await store.close()
  }
}

interface OpenRecord {
  readonly store: ObjectStore
  /** The remedy where this machine cannot reach the store. */
  readonly hint?: string | undefined
  readonly reported?: ReportedDigests
}

async function openRecord(source: string, options: SourceOptions): Promise<OpenRecord> {
  if (isJobReference(source)) {
    return withCluster(options, async (cluster) => {
      const job = await findJob(cluster, source)
      const s3 = await jobBucket(cluster, job, options)
      const { head, output, state } = job.status?.training ?? {}
      const complete = state === 'Complete'
      const signer = complete ? job.status?.coordinatorCertificate : undefined
      const reported = { head, complete, model: output?.digest, signer }
      return { store: await openBucket(s3), hint: endpointHint(s3.endpoint), reported }
    })
  }
  if (source.startsWith('s3://')) {
    const s3 = namedBucket(source, options)
    return { store: await openBucket(s3), hint: endpointHint(s3.endpoint) }
  }
  return { store: await openRecordFolder(await recordFolder(resolve(source))) }
}

/** The record at s3://bucket/prefix, with the caller's own AWS credentials. */
export async function openNamedBucket(uri: string): Promise<ObjectStore> {
  return openBucket(namedBucket(uri, {}))
}

async function openBucket(options: S3Options): Promise<ObjectStore> {
  const { openS3Store } = await import('#transport/store/s3/store.ts')
  return boundedStore(openS3Store(options))
}

function namedBucket(uri: string, { endpoint: named }: SourceOptions): S3Options {
  const endpoint = checkedUrl(named ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL)
  return { ...recordAddress(uri), attempts: ATTEMPTS, ...(endpoint ? { endpoint } : {}) }
}

/** The bucket and prefix of a job's run, with the endpoint that the caller reaches. */
export async function jobBucket(
  cluster: Cluster,
  job: Pick<StoredJob, 'metadata' | 'spec'>,
  options: SourceOptions,
): Promise<S3Options> {
  const { namespace, name, uid } = job.metadata
  const s3 = completeSpec(job.spec).storage?.s3
  if (!s3) {
    throw new FedsamError('InvalidJob', `FederatedJob ${name} names no bucket`, {
      remedy: 'set spec.storage.s3 of the job: a cluster stores its record there',
    })
  }
  const settings = bucketSettings(s3, options.endpoint)
  const prefix = runPrefix(s3.prefix, { namespace, name, uid })
  if (options['credentials-from-secret'] !== true) return { ...settings, prefix }
  return { ...settings, prefix, ...(await secretCredentials(cluster, namespace, s3.credentialsSecretName)) }
}

/** spec.storage.s3 as options of the store's client. */
function bucketSettings(s3: CompleteS3Spec, named?: string): Omit<S3Options, 'prefix'> {
  const endpoint = checkedUrl(named ?? s3.endpoint)
  return {
    bucket: s3.bucket,
    attempts: ATTEMPTS,
    forcePathStyle: s3.forcePathStyle,
    ...(endpoint ? { endpoint } : {}),
    ...(s3.region ? { region: s3.region } : {}),
  }
}

function checkedUrl(endpoint: string | undefined): string | undefined {
  if (!endpoint || /^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) return endpoint
  throw new FedsamError('InvalidJob', `${endpoint} is not the URL of an S3 service`, {
    remedy: 'write it as http://HOST:PORT or https://HOST',
  })
}

/** The keys in the Secret that the job names; the caller needs the right to read it. */
async function secretCredentials(
  cluster: Cluster,
  namespace: string,
  name: string,
): Promise<Pick<S3Options, 'credentials' | 'region'>> {
  if (name === '') {
    throw new FedsamError('InvalidJob', 'the job names no Secret in spec.storage.s3.credentialsSecretName', {
      remedy: 'remove --credentials-from-secret, and use your own AWS credentials',
    })
  }
  const secret = await cluster.find<{ data?: Record<string, string> }>({ ...SECRETS, namespace, name })
  const value = (key: string): string => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString()
  const [accessKeyId, secretAccessKey] = [value('AWS_ACCESS_KEY_ID'), value('AWS_SECRET_ACCESS_KEY')]
  if (accessKeyId === '' || secretAccessKey === '') {
    const lacks = secret ? 'lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY' : 'does not exist'
    throw new FedsamError('InvalidJob', `Secret ${name} in namespace ${namespace} ${lacks}`, {
      remedy: 'create it with both keys, or use your own AWS credentials',
    })
  }
  const [sessionToken, region] = [value('AWS_SESSION_TOKEN'), value('AWS_REGION')]
  return {
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
    ...(region ? { region } : {}),
  }
}

/** The remedy for an endpoint that only pods reach: http://NAME.NAMESPACE.svc:PORT, or a name without a dot. */
export function endpointHint(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined
  const { hostname, protocol, port: named } = new URL(endpoint)
  if (hostname === 'localhost' || !/^[a-z0-9-]+(\.[a-z0-9-]+\.svc(\..+)?)?$/.test(hostname)) return undefined
  const [service, namespace] = hostname.split('.')
  const port = named || (protocol === 'https:' ? '443' : '80')
  const local = Number(port) < 1024 ? `1${port.padStart(4, '0')}` : port
  const within = namespace === undefined ? '' : ` -n ${namespace}`
  return (
    `${hostname} is a name inside the cluster: run kubectl${within} port-forward svc/${service} ${local}:${port} ` +
    `and add --endpoint ${protocol}//127.0.0.1:${local}`
  )
}

/** The error of an unreachable store, with the hint as its remedy; any other error keeps its own remedy. */
export function withHint(error: unknown, hint: string | undefined): unknown {
  if (hint === undefined || !isOutOfReach(error)) return error
  const answered = (error.cause as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata
    ?.httpStatusCode
  if (answered !== undefined) return error
  return new FedsamError(error.code, error.message, { remedy: hint, cause: error.cause })
}

/** Of a record that another job names, too. One that the store answered about has no cause. */
function isOutOfReach(error: unknown): error is FedsamError {
  if (!(error instanceof FedsamError)) return false
  return (
    error.code === 'StorageUnreachable' || (error.code === 'RecordUnavailable' && error.cause !== undefined)
  )
}
