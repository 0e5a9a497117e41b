// Where a program finds its store and its bus: read from the environment, all errors at once. Credentials are never read here:
// the AWS SDK's own chain (AWS_*) and the files that NATS settings name have them.
import { existsSync } from 'node:fs'
import { type Environment, requireVariables } from '#runtime/environment.ts'
import type { NatsOptions } from './bus/nats/bus.ts'
import type { S3Options } from './store/s3/client.ts'

/** FEDSAM_S3_BUCKET, FEDSAM_S3_PREFIX, FEDSAM_S3_ENDPOINT, FEDSAM_S3_REGION, FEDSAM_S3_FORCE_PATH_STYLE (true or false). */
export function s3Options(env: Environment): S3Options {
  const { FEDSAM_S3_BUCKET: bucket } = requireVariables(env, ['FEDSAM_S3_BUCKET'])
  const { FEDSAM_S3_ENDPOINT: endpoint, FEDSAM_S3_REGION: region, FEDSAM_S3_FORCE_PATH_STYLE: style } = env
  return {
    bucket,
    prefix: env.FEDSAM_S3_PREFIX ?? '',
    ...(endpoint ? { endpoint } : {}),
    ...(region ? { region } : {}),
    ...(style ? { forcePathStyle: style === 'true' } : {}),
  }
}

/**
 * FEDSAM_NATS_URL; FEDSAM_NATS_CREDS names a credentials file; FEDSAM_NATS_CA, _CERT and _KEY name TLS files. Certificate and key
 * may be absent: the operator names them for every Secret, and one may hold ca.crt alone.
 */
export function natsOptions(env: Environment, name: string): NatsOptions {
  const { FEDSAM_NATS_URL: url } = requireVariables(env, ['FEDSAM_NATS_URL'])
  const {
    FEDSAM_NATS_CREDS: credsFile,
    FEDSAM_NATS_CA: caFile,
    FEDSAM_NATS_CERT: certFile,
    FEDSAM_NATS_KEY: keyFile,
  } = env
  const tls = {
    ...(caFile ? { caFile } : {}),
    ...(certFile && existsSync(certFile) ? { certFile } : {}),
    ...(keyFile && existsSync(keyFile) ? { keyFile } : {}),
  }
  return {
    url,
    name,
    ...(credsFile ? { credentials: { credsFile } } : {}),
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
  }
}
