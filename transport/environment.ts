// Where a program finds its store and its bus: the rules of these variables, and the options that follow. It reads no credential:
// the AWS SDK finds those of the store (AWS_*), and files that the NATS settings name hold those of the bus.
import { existsSync } from 'node:fs'
import { flag, optional, type Read, required } from '#runtime/environment.ts'
import type { NatsOptions } from './bus/nats/bus.ts'
import type { S3Options } from './store/s3/client.ts'

/** Rules for STORE of protocol/environment.ts. */
export const STORE_RULES = {
  s3Bucket: required,
  s3Prefix: optional,
  s3Endpoint: optional,
  s3PublicEndpoint: optional,
  s3Region: optional,
  s3ForcePathStyle: flag,
  requireTls: flag,
} as const

/** Rules for BUS of protocol/environment.ts. */
export const BUS_RULES = {
  natsUrl: required,
  natsCreds: optional,
  tokenFile: optional,
  natsCa: optional,
  natsCert: optional,
  natsKey: optional,
} as const

export function s3Options(read: Read<typeof STORE_RULES>): S3Options {
  const { s3Bucket: bucket, s3Prefix: prefix, s3Endpoint: endpoint, s3Region: region } = read
  const { s3PublicEndpoint: publicEndpoint, s3ForcePathStyle: forcePathStyle, requireTls } = read
  return {
    bucket,
    prefix,
    ...(endpoint === '' ? {} : { endpoint }),
    ...(publicEndpoint === '' ? {} : { publicEndpoint }),
    ...(region === '' ? {} : { region }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
    ...(requireTls ? { requireTls } : {}),
  }
}

/**
 * `name` is what the server calls the connection, `user` the member's name (protocol/identity.ts). A credentials file takes precedence
 * over the token. Files of certificate and key may be absent: the operator names them for every
 * Secret, and a Secret may hold ca.crt alone.
 */
export function natsOptions(read: Read<typeof BUS_RULES>, name: string, user: string): NatsOptions {
  const { natsUrl: url, natsCa: caFile, natsCert: certFile, natsKey: keyFile } = read
  const tls = {
    ...(caFile === '' ? {} : { caFile }),
    ...(existsSync(certFile) ? { certFile } : {}),
    ...(existsSync(keyFile) ? { keyFile } : {}),
  }
  return {
    url,
    name,
    ...credentialsOf(read, user),
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
  }
}

function credentialsOf(
  { natsCreds: credsFile, tokenFile: secretFile }: Read<typeof BUS_RULES>,
  user: string,
): Pick<NatsOptions, 'credentials'> {
  if (credsFile !== '') return { credentials: { credsFile } }
  return secretFile === '' ? {} : { credentials: { user, secretFile } }
}
