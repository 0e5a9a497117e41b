// Multipart uploads of an S3 store. The owner opens and completes them here; workers with grants, or `write`, send the parts.
// Guarantees: completing creates an object only where none exists (If-None-Match). A failed `write` aborts its upload, so that no
// parts remain to be paid for.

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type Part,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { FedsamError } from '#protocol/errors.ts'
import { blocks, exactly } from '#runtime/chunks.ts'
import { type OpenedUpload, UploadGone, type UploadPart, type Written } from '../../ports.ts'
import { checkKey } from '../key.ts'
import { ask, type Bucket, sizeOf, untilDecided } from './client.ts'

const MIB = 1024 * 1024
/** Bytes of a part at least: above S3's limit of 5 MiB, so that a request is worth its round trip. */
const SMALLEST_PART = 8 * MIB
/** Parts of one upload at most: S3's limit. */
const MOST_PARTS = 10_000
/** Parts that are sent at the same time: they bound the memory of a write. */
const PARTS_IN_FLIGHT = 4

export function uploadsOf(bucket: Bucket) {
  return {
    async openUpload(key: string) {
      return open(bucket, checkKey(key), true)
    },
    async openUploads(prefix: string) {
      return listUploads(bucket, prefix)
    },
    async uploadedParts(key: string, upload: string) {
      const parts: UploadPart[] = []
      for (let marker: string | undefined; ; ) {
        const command = new ListPartsCommand({
          ...bucket.at(checkKey(key)),
          UploadId: upload,
          ...(marker ? { PartNumberMarker: marker } : {}),
        })
        const page = await ask(bucket, bucket.client.send(command), { NoSuchUpload: () => gone(key, upload) })
        parts.push(...(page.Parts ?? []).map(partOf))
        if (!page.IsTruncated) return parts
        marker = page.NextPartNumberMarker
      }
    },
    async completeUpload(key: string, upload: string, parts: readonly UploadPart[]) {
      return complete(bucket, { key: checkKey(key), upload, parts })
    },
    async abortUpload(key: string, upload: string) {
      return abort(bucket, checkKey(key), upload)
    },
  }
}

function partOf({ PartNumber = 0, Size = 0, ETag = '', ChecksumSHA256 = '' }: Part): UploadPart {
  const part = { number: PartNumber, size: Size, tag: `${ETag} ${ChecksumSHA256}` }
  if (ChecksumSHA256 === '') return part
  return { ...part, sha256: Buffer.from(ChecksumSHA256, 'base64').toString('hex') }
}

/** The open uploads; none where the credentials lack the right to list them, or the service has no such call. */
async function listUploads(bucket: Bucket, prefix: string): Promise<OpenedUpload[]> {
  const { Bucket, Key } = bucket.at(prefix)
  const below = Key.length - prefix.length
  const found: OpenedUpload[] = []
  for (let at: { KeyMarker?: string; UploadIdMarker?: string } = {}; ; ) {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix: Key, ...at })
    const page = await ask(bucket, bucket.client.send(command), {
      403: () => undefined,
      404: () => undefined,
      501: () => undefined,
    })
    for (const { Key: key = '', UploadId: upload = '' } of page?.Uploads ?? [])
      found.push({ key: key.slice(below), upload })
    if (!page?.IsTruncated || page.NextKeyMarker === undefined) return found
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker = '' } = page
    at = { KeyMarker, UploadIdMarker }
  }
}

function gone(key: string, upload: string): never {
  throw new UploadGone(`${key} has no open upload ${upload}`)
}

/** With `hashed`, every part must have its SHA-256, as granted parts do, and the completion names the digests. */
async function open(bucket: Bucket, key: string, hashed: boolean): Promise<string> {
  const command = new CreateMultipartUploadCommand({
    ...bucket.at(key),
    ...(hashed ? { ChecksumAlgorithm: 'SHA256' as const } : {}),
  })
  const { UploadId } = await ask(bucket, bucket.client.send(command))
  if (UploadId) return UploadId
  throw new FedsamError('StorageUnsuitable', `${bucket.description}: no upload of ${key} was opened`)
}

async function abort(bucket: Bucket, key: string, upload: string): Promise<void> {
  const asking = bucket.client.send(new AbortMultipartUploadCommand({ ...bucket.at(key), UploadId: upload }))
  await ask(bucket, asking, { NoSuchUpload: () => undefined })
}

interface Completion {
  readonly key: string
  readonly upload: string
  readonly parts: readonly UploadPart[]
}

async function complete(bucket: Bucket, { key, upload, parts }: Completion): Promise<Written> {
  const Parts = parts.map(({ number, tag }) => {
    const [ETag = '', checksum] = tag.split(' ')
    return { PartNumber: number, ETag, ...(checksum ? { ChecksumSHA256: checksum } : {}) }
  })
  const command = () =>
    bucket.client.send(
      new CompleteMultipartUploadCommand({
        ...bucket.at(key),
        UploadId: upload,
        IfNoneMatch: '*',
        MultipartUpload: { Parts },
      }),
    )
  const answer = await ask(bucket, untilDecided(bucket, command), {
    412: () => 'Exists' as const,
    NoSuchUpload: () => 'Gone' as const,
    InvalidPart: () => {
      throw new FedsamError('RecordDamaged', `a part of ${key} is not the part that the completion names`)
    },
  })
  if (answer === 'Exists') await abort(bucket, key, upload)
  if (answer === 'Gone' && (await sizeOf(bucket, key)) === undefined) gone(key, upload)
  return answer === 'Exists' || answer === 'Gone' ? 'Exists' : 'Created'
}

/** The arguments of `write`. */
interface LargeBody {
  readonly key: string
  readonly size: number
  readonly chunks: AsyncIterable<Uint8Array>
}

/** Sends a body of known size in parts. The parts in flight bound its memory. */
export async function writeInParts(bucket: Bucket, body: LargeBody): Promise<Written> {
  const upload = await open(bucket, body.key, false)
  try {
    const parts = await sendParts(bucket, upload, body)
    return await complete(bucket, { key: body.key, upload, parts })
  } catch (error) {
    await abort(bucket, body.key, upload).catch(() => {}) // the first error is the one to report
    throw error
  }
}

async function sendParts(
  bucket: Bucket,
  upload: string,
  { key, size, chunks }: LargeBody,
): Promise<UploadPart[]> {
  const partSize = Math.max(SMALLEST_PART, Math.ceil(size / MOST_PARTS / MIB) * MIB)
  const flying = new Set<Promise<void>>()
  // The service has answered a part only after its last byte: the next part may use its memory. New memory for each would be collected
  // and zeroed as often as there are parts.
  const spare: Uint8Array<ArrayBuffer>[] = []
  const memory = () => spare.pop() ?? new Uint8Array(partSize)
  const parts: UploadPart[] = []
  let failure: { readonly error: unknown } | undefined
  const send = async (number: number, block: Uint8Array<ArrayBuffer>) => {
    const command = new UploadPartCommand({
      ...bucket.at(key),
      UploadId: upload,
      PartNumber: number,
      Body: block,
    })
    const { ETag = '' } = await ask(bucket, bucket.client.send(command))
    parts[number - 1] = { number, size: block.byteLength, tag: ETag }
    if (block.byteLength === partSize) spare.push(block)
  }
  try {
    let number = 0
    for await (const block of blocks(exactly(key, size, chunks), partSize, memory)) {
      if (failure) break
      number += 1
      const sending = send(number, block).catch((error: unknown) => {
        failure ??= { error }
      })
      flying.add(sending)
      void sending.finally(() => flying.delete(sending))
      if (flying.size >= PARTS_IN_FLIGHT) await Promise.race(flying)
    }
  } finally {
    await Promise.all(flying) // aborting while a part is in flight would leave the part behind
  }
  if (failure) throw failure.error
  return parts
}
