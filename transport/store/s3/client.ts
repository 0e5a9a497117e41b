// One bucket and prefix of an S3 service: the SDK's client, configured for any S3 service, and its errors as FedsamErrors.
// Guarantees: every call ends, after a bounded number of retries, and its error says what to do.

import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { FedsamError } from '#protocol/errors.ts'
import type { Environment } from '#runtime/environment.ts'
import { retry } from '#runtime/retry.ts'
import { agentFor, proxyFor } from '../../proxy.ts'
import { authorityRemedy, checkTls, isUntrusted } from '../../tls.ts'

export interface S3Options {
  readonly bucket: string
  /** The beginning of every key; '' for the whole bucket. */
  readonly prefix: string
  /** The URL of a service other than AWS: "http://127.0.0.1:7070". */
  readonly endpoint?: string
  /** The origin of the same service for sites: "https://fed.example.org". Grants for sites are signed for it; nothing is sent to it. */
  readonly publicEndpoint?: string
  readonly region?: string
  /** True: the bucket is in the path of a URL, not in the host name. The default for every endpoint that is not AWS's. */
  readonly forcePathStyle?: boolean
  /** Without them the SDK searches: environment, files, web identity, instance roles. */
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string
  }
  /** For the proxy variables; the environment of this process where it is absent. */
  readonly env?: Environment
  /** Refuses a service without TLS, wherever its address comes from. */
  readonly requireTls?: boolean
  /** Tries of a request before StorageUnreachable. */
  readonly attempts?: number
}

export interface Bucket {
  readonly client: S3Client
  readonly name: string
  readonly description: string
  readonly attempts: number
  /** The key within the bucket. */
  at(key: string): { readonly Bucket: string; readonly Key: string }
}

/** Checksums are those of SigV4: some services refuse the SDK's newer default headers. */
export const WITHOUT_CHECKSUMS = {
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
} as const

/**
 * Opens no connection yet. The SDK finds missing options as the AWS tools do: in variables, and in the profiles of AWS_CONFIG_FILE
 * and AWS_SHARED_CREDENTIALS_FILE (endpoint_url, services, SSO, credential_process, roles).
 */
export function openBucket(options: S3Options): Bucket {
  const prefix = options.prefix.split('/').filter(Boolean).join('/')
  const { bucket, endpoint, region, credentials, env = process.env } = options
  const attempts = options.attempts ?? 5
  const agent = { keepAlive: true, maxSockets: 128 }
  const client = new S3Client({
    ...(endpoint ? { endpoint } : {}),
    region: region || (endpoint ? 'us-east-1' : configuredRegion()),
    ...(credentials ? { credentials } : {}),
    ...(options.forcePathStyle === undefined ? {} : { forcePathStyle: options.forcePathStyle }),
    ...WITHOUT_CHECKSUMS,
    // Saves a round trip for bodies of a few megabytes. A refused body costs its bytes.
    expectContinueHeader: 64 * 1024 * 1024,
    maxAttempts: attempts,
    cacheMiddleware: true,
    requestHandler: { connectionTimeout: 5000, socketTimeout: 60_000, httpAgent: agent, httpsAgent: agent },
  })
  if (options.forcePathStyle === undefined) addressByPath(client)
  throughProxies(client, env, options.requireTls ?? false)
  return {
    client,
    name: bucket,
    description: `s3://${bucket}/${prefix}`,
    attempts,
    at: (key) => ({ Bucket: bucket, Key: prefix ? `${prefix}/${key}` : key }),
  }
}

/**
 * Puts the bucket into the path for every endpoint that is not AWS's own, also for one that a profile names. Few other services
 * answer at bucket.host.
 */
function addressByPath(client: S3Client): void {
  const { config } = client
  const provide = config.endpointProvider
  config.endpointProvider = (parameters, context) => {
    const { Endpoint: endpoint } = parameters as { readonly Endpoint?: string }
    const isForeign = endpoint !== undefined && !/\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname)
    return provide(isForeign ? { ...parameters, ForcePathStyle: true } : parameters, context)
  }
}

/** The region of the environment or the profile, as for the AWS command line; us-east-1 where neither names one. */
function configuredRegion(): () => Promise<string> {
  const configured = new S3Client({}).config.region
  return () =>
    configured().catch((error: Error) => {
      if (/region is missing/i.test(error.message)) return 'us-east-1'
      throw error
    })
}

/** Sends requests through their proxies: the SDK reads no proxy variables. */
function throughProxies(client: S3Client, env: Environment, requireTls: boolean): void {
  const direct = client.config.requestHandler
  const handlers = new Map<string, typeof direct>()
  const handlerFor = (target: URL): typeof direct => {
    const proxy = proxyFor(target, env)
    if (proxy === undefined) return direct
    const key = `${target.protocol} ${proxy}`
    const agent = agentFor(target, proxy, { keepAlive: true, maxSockets: 128 })
    const made =
      handlers.get(key) ??
      new S3Client({
        region: 'us-east-1',
        requestHandler: {
          connectionTimeout: 5000,
          socketTimeout: 60_000,
          httpAgent: agent,
          httpsAgent: agent,
        },
      }).config.requestHandler
    handlers.set(key, made)
    return made
  }
  client.config.requestHandler = Object.assign(Object.create(direct) as typeof direct, {
    handle: (request: HandledRequest, options: object) => {
      const { protocol, hostname, port } = request
      const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname
      const target = new URL(`${protocol}//${host}${port ? `:${port}` : ''}`)
      if (requireTls) checkTls(target)
      return handlerFor(target).handle(request as never, options)
    },
    destroy: () => {
      for (const handler of [direct, ...handlers.values()]) handler.destroy?.()
    },
  })
}

interface HandledRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
}

interface S3Failure extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number }
}

/** The HTTP status in an error of the SDK; undefined where no answer came. */
export function statusOf(error: unknown): number | undefined {
  return (error as S3Failure | undefined)?.$metadata?.httpStatusCode
}

/**
 * The answer. For an error whose name or status is in `answers`, that function's result. Throws every other error as a
 * FedsamError.
 */
export async function ask<Result, Other = never>(
  bucket: Bucket,
  asking: Promise<Result>,
  answers: Readonly<Record<string, () => Other | Promise<Other>>> = {},
): Promise<Result | Other> {
  try {
    return await asking
  } catch (error) {
    const { name } = error as Error
    const answer = answers[name] ?? answers[String(statusOf(error))]
    if (answer) return answer()
    throw failureOf(bucket, error)
  }
}

/** Bytes of the object; undefined where it does not exist. */
export async function sizeOf(bucket: Bucket, key: string): Promise<number | undefined> {
  const asking = bucket.client.send(new HeadObjectCommand(bucket.at(key)))
  const found = await ask(bucket, asking, { NotFound: () => undefined, NoSuchKey: () => undefined })
  return found?.ContentLength
}

/** Seconds between two tries of a write that meets another one of its key. */
const CONFLICT_BACKOFF = { first: 0.02, longest: 0.2 }

/** Retries a conditional write that the service answers with 409: another write of the key is under way, and not decided yet. */
export function untilDecided<Result>(bucket: Bucket, write: () => Promise<Result>): Promise<Result> {
  const onFailure = (error: unknown, failures: number): undefined => {
    if (statusOf(error) !== 409 || failures > 3 * bucket.attempts) throw error
  }
  return retry(write, { backoff: CONFLICT_BACKOFF, onFailure })
}

const FORBIDDEN =
  'check the credentials; they need GetObject, PutObject, DeleteObject, AbortMultipartUpload, ListMultipartUploadParts ' +
  'and ListBucket (without the last a missing object reads as forbidden); with ListBucketMultipartUploads uploads resume after a restart'

function failureOf(bucket: Bucket, error: unknown): Error {
  if (error instanceof FedsamError || error instanceof RangeError) return error
  const { name, message } = error as Error
  const status = statusOf(error)
  // An answer to HEAD has no body that would say more.
  const nameless = name === 'Unknown' && status !== undefined
  const why = nameless
    ? `HTTP status ${status}`
    : `${name}${message && message !== name ? `: ${message}` : ''}`
  const text = `${bucket.description}: ${why}`
  if (status === 501) {
    const remedy = 'use a service that supports conditional writes (If-None-Match)'
    return new FedsamError('StorageUnsuitable', text, { cause: error, remedy })
  }
  const remedy = isUntrusted(error)
    ? authorityRemedy('storage.s3.caBundleConfigMapName')
    : remedyFor(name, status)
  return new FedsamError('StorageUnreachable', text, { cause: error, remedy })
}

function remedyFor(name: string, status: number | undefined): string {
  if (name === 'NoSuchBucket') return 'create the bucket, or correct its name'
  if (name === 'CredentialsProviderError')
    return 'give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role'
  if (status === 401 || status === 403) return FORBIDDEN
  if (status === undefined) return 'check the endpoint and that it can be reached from here'
  return 'check the service; the run goes on from its record once it answers'
}
