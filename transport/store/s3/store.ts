// An object store in an S3 bucket: AWS, versitygw, or any service that honours If-None-Match. Guarantees those of ports.ts: one
// request creates a small object, and a large one goes in parts, in bounded memory. store/check-store.ts checks the service itself.

import type { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { FedsamError } from '#protocol/errors.ts'
import { gather } from '#runtime/chunks.ts'
import type { ByteRange, ObjectStore, Written } from '../../ports.ts'
import { beyondEnd, checkKey, checkRange, rangeWithin } from '../key.ts'
import { ask, type Bucket, openBucket, type S3Options, sizeOf, statusOf, untilDecided } from './client.ts'
import { grantsOf, siteGrantsOf } from './grants.ts'
import { uploadsOf, writeInParts } from './uploads.ts'

/** Bytes up to which one request writes an object from memory: as many as the parts in flight of a larger object have. */
const LARGE = 32 * 1024 * 1024

/** Opens the store without a request; checkGuarantees checks whether the service is suitable. */
export function openS3Store(options: S3Options): ObjectStore {
  const bucket = openBucket(options)
  const { publicEndpoint } = options
  return {
    description: bucket.description,
    ...objectsOf(bucket),
    ...uploadsOf(bucket),
    ...grantsOf(bucket),
    ...(publicEndpoint === undefined ? {} : { forSites: siteGrantsOf(bucket, publicEndpoint) }),
    async close() {
      bucket.client.destroy()
    },
  }
}

function objectsOf(bucket: Bucket) {
  const size = async (key: string) => sizeOf(bucket, checkKey(key))
  return {
    size,
    async get(key: string, range?: ByteRange, into?: Uint8Array) {
      if (range) checkRange(checkKey(key), range)
      if (range?.length !== 0) return getObject(bucket, checkKey(key), range, into)
      const whole = await size(key) // S3 has no range of 0 bytes
      if (whole !== undefined) rangeWithin(key, whole, range)
      return whole === undefined ? undefined : new Uint8Array(0)
    },
    async list(prefix: string) {
      return listKeys(bucket, prefix)
    },
    async put(key: string, body: Uint8Array) {
      return putObject(bucket, checkKey(key), body)
    },
    async write(key: string, size: number, chunks: AsyncIterable<Uint8Array>) {
      checkKey(key)
      if (size > LARGE) return writeInParts(bucket, { key, size, chunks })
      return putObject(bucket, key, await gather(key, size, chunks))
    },
    async delete(key: string) {
      const asking = bucket.client.send(new DeleteObjectCommand(bucket.at(checkKey(key))))
      await ask(bucket, asking, { NoSuchKey: () => undefined })
    },
  }
}

/** The keys of one page; undefined where the credentials lack the right to list them. */
async function listKeys(bucket: Bucket, prefix: string): Promise<string[] | undefined> {
  const { Bucket, Key } = bucket.at(prefix)
  const below = Key.length - prefix.length
  const asking = bucket.client.send(new ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1000 }))
  const page = await ask(bucket, asking, { 403: () => undefined })
  return page && (page.Contents ?? []).map(({ Key: key = '' }) => key.slice(below))
}

/**
 * Creates the object unless it exists. A service that refuses a large body may answer 412 and close the connection during the
 * body, so that the answer is lost (ECONNRESET). After a write without an answer, this asks the store whether the object exists.
 */
async function putObject(bucket: Bucket, key: string, body: Uint8Array): Promise<Written> {
  const put = () =>
    bucket.client.send(new PutObjectCommand({ ...bucket.at(key), Body: body, IfNoneMatch: '*' }))
  const written = untilDecided(bucket, put).catch(async (error: unknown) => {
    const answered = statusOf(error) !== undefined
    if (answered || (await sizeOf(bucket, key).catch(() => undefined)) === undefined) throw error
    return 'Exists' as const
  })
  const exists: () => Written = () => 'Exists'
  return (await ask(bucket, written, { 412: exists })) === 'Exists' ? 'Exists' : 'Created'
}

/** Requests the object again where the connection breaks within the body: the SDK retries requests, not bodies. */
async function getObject(
  bucket: Bucket,
  key: string,
  range?: ByteRange,
  into?: Uint8Array,
): Promise<Uint8Array | undefined> {
  const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`
  const command = new GetObjectCommand({ ...bucket.at(key), ...(Range ? { Range } : {}) })
  for (let attempt = 1; ; attempt++) {
    const found = await ask(bucket, bucket.client.send(command), {
      NoSuchKey: () => undefined,
      416: () => {
        throw beyondEnd(key, range ?? { offset: 0, length: 0 })
      },
    })
    if (!found) return undefined
    const stream = found.Body as unknown as Readable
    const length = expectedLength(bucket, key, { found, stream, range })
    const memory = into?.length === length ? into : new Uint8Array(length)
    const body = await receive(stream, memory).catch((error: Error) => error)
    if (!(body instanceof Error)) return body
    if (attempt >= bucket.attempts) return ask(bucket, Promise.reject(body))
  }
}

interface Answer {
  readonly found: GetObjectCommandOutput
  readonly stream: Readable
  readonly range: ByteRange | undefined
}

/** The length of the body. Drops an answer of another range before it reads the body. */
function expectedLength(bucket: Bucket, key: string, { found, stream, range }: Answer): number {
  const length = found.ContentLength
  const drop = (error: Error): never => {
    stream.destroy()
    throw error
  }
  if (length === undefined || (range && !found.ContentRange)) {
    const message = `${bucket.description}: reading ${key} was answered without ${range ? 'its range' : 'a length'}`
    const remedy = 'use a service that supports ranged reads'
    return drop(new FedsamError('StorageUnsuitable', message, { remedy }))
  }
  if (range && length !== range.length) return drop(beyondEnd(key, range))
  return length
}

/** Copies the chunks into one buffer: half the memory of collecting chunks and joining them. */
function receive(stream: Readable, body: Uint8Array): Promise<Uint8Array> {
  const { length } = body
  return new Promise((resolve, reject) => {
    let offset = 0
    stream.on('data', (chunk: Buffer) => {
      if (offset + chunk.length <= length) body.set(chunk, offset)
      offset += chunk.length
    })
    const broke = (why: string) => new Error(`the connection broke after ${offset} of ${length} bytes${why}`)
    stream.once('error', (error) => reject(broke(`: ${error.message}`)))
    stream.once('close', () => (offset === length ? resolve(body) : reject(broke(''))))
  })
}
