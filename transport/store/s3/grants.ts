// Grants of an S3 store: presigned URLs. Guarantees: the signature covers If-None-Match, the length and the body's SHA-256 as
// headers. So the service itself refuses a second write, a longer body and other bytes. By default the SDK's presigner would move
// the checksum into the query, where no service checks the body against it.

import { GetObjectCommand, PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { FedsamError } from '#protocol/errors.ts'
import type { Grant, SiteGrants, WriteTerms } from '../../ports.ts'
import { checkKey } from '../key.ts'
import { ask, type Bucket, WITHOUT_CHECKSUMS } from './client.ts'

/** Seconds that a presigned URL may be valid: one week, S3's limit. */
const LONGEST_SECONDS = 7 * 24 * 60 * 60

/** The commands that the presigner takes. Its own type does not fit exactOptionalPropertyTypes. */
type Signable = GetObjectCommand | PutObjectCommand | UploadPartCommand

/**
 * Grants for sites, which reach the service by another name: a second client signs for that name, by path, with the credentials and the
 * region of the first. It sends nothing. Throws InvalidJob where the address is no origin with TLS.
 */
export function siteGrantsOf(bucket: Bucket, publicEndpoint: string): SiteGrants {
  const { credentials, region } = bucket.client.config
  const endpoint = publicOrigin(publicEndpoint)
  const client = new S3Client({ endpoint, credentials, region, forcePathStyle: true, ...WITHOUT_CHECKSUMS })
  return grantsOf({ ...bucket, client })
}

/** The origin as clients send it in the header Host: a signature covers that header. */
function publicOrigin(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol === 'https:' && `${url.origin}/` === url.href) return url.origin
  throw new FedsamError(
    'InvalidJob',
    `spec.storage.s3.publicEndpoint ${JSON.stringify(text)} is no origin with TLS`,
    {
      remedy:
        'write https:// and a host, and a port below 65536 if it is not 443, without a path, a query or a user',
    },
  )
}

export function grantsOf(bucket: Bucket) {
  const sign = (command: Signable, seconds: number, headers: readonly string[]) => {
    const signed = new Set(['host', ...headers])
    const expiresIn = Math.min(Math.max(1, Math.floor(seconds)), LONGEST_SECONDS)
    const options = { expiresIn, signableHeaders: signed, unhoistableHeaders: signed }
    return ask(bucket, getSignedUrl(bucket.client, command as Parameters<typeof getSignedUrl>[1], options))
  }
  return {
    async grantRead(key: string, seconds: number): Promise<Grant> {
      const url = await sign(new GetObjectCommand(bucket.at(checkKey(key))), seconds, [])
      return { method: 'GET', url, headers: {} }
    },
    async grantWrite(key: string, { size, sha256 }: WriteTerms, seconds: number): Promise<Grant> {
      const ChecksumSHA256 = Buffer.from(sha256, 'hex').toString('base64')
      const object = { ...bucket.at(checkKey(key)), ContentLength: size, ChecksumSHA256 }
      const command = new PutObjectCommand({ ...object, IfNoneMatch: '*' })
      const signed = ['content-length', 'if-none-match', 'x-amz-checksum-sha256']
      const headers = { 'if-none-match': '*', 'x-amz-checksum-sha256': ChecksumSHA256 }
      return { method: 'PUT', url: await sign(command, seconds, signed), headers }
    },
    async grantPart(key: string, upload: string, part: { number: number } & WriteTerms, seconds: number) {
      const ChecksumSHA256 = Buffer.from(part.sha256, 'hex').toString('base64')
      const object = { ...bucket.at(checkKey(key)), ContentLength: part.size, ChecksumSHA256 }
      const command = new UploadPartCommand({ ...object, UploadId: upload, PartNumber: part.number })
      const signed = ['content-length', 'x-amz-checksum-sha256']
      const headers = { 'x-amz-checksum-sha256': ChecksumSHA256 }
      return { method: 'PUT' as const, url: await sign(command, seconds, signed), headers }
    },
  }
}
