// The objects under a prefix of an S3 bucket, for a program that only reads: lists them page by page, and streams each to a file.
// Guarantees: bounded memory; a file gets its name only when it has the bytes of the listed object; a broken download resumes.
// Errors name bucket and prefix, the missing object, and what to do.

import { createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GetObjectCommand, ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { FedsamError } from '#protocol/errors.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import { systemClock } from '#runtime/clock.ts'
import { ask, type Bucket, openBucket, type S3Options, statusOf } from './client.ts'

/** Seconds between two requests of a download that break off without progress. */
const BACKOFF = { first: 0.2, longest: 30 }

/** An object of the list. */
export interface Listed {
  /** The key without the prefix. */
  readonly key: string
  readonly size: number
  /** The service's name of the object's content. */
  readonly etag: string
}

export interface Target {
  readonly file: string
  /** Holds the object until it is complete: a file on the same volume, for this object with this etag only. */
  readonly partial: string
}

export interface PrefixReader {
  /** "s3://bucket/prefix" */
  readonly description: string
  /** All objects in the order of their keys, without keys that only represent a folder. */
  list(): Promise<readonly Listed[]>
  /** Streams the object to the file. Throws BadData where the object changed after it was listed. */
  fetch(object: Listed, target: Target): Promise<void>
  close(): void
}

/** Opens no connection yet. */
export function openPrefix(options: S3Options): PrefixReader {
  const bucket = openBucket(options)
  return {
    description: bucket.description,
    list: () => list(bucket),
    fetch: (object, target) => fetchObject(bucket, object, target),
    close: () => bucket.client.destroy(),
  }
}

async function list(bucket: Bucket): Promise<Listed[]> {
  const { Bucket, Key: prefix } = bucket.at('')
  const found: Listed[] = []
  let next: string | undefined
  do {
    const page: ListObjectsV2CommandOutput = await reading(
      bucket,
      bucket.client.send(
        new ListObjectsV2Command({
          Bucket,
          ...(prefix === '' ? {} : { Prefix: prefix }),
          ...(next === undefined ? {} : { ContinuationToken: next }),
        }),
      ),
    )
    for (const { Key = '', Size = 0, ETag = '' } of page.Contents ?? []) {
      const key = Key.slice(prefix.length)
      if (key !== '' && !(key.endsWith('/') && Size === 0)) found.push({ key, size: Size, etag: ETag })
    }
    next = page.IsTruncated ? page.NextContinuationToken : undefined
  } while (next !== undefined)
  return found
}

async function fetchObject(bucket: Bucket, object: Listed, { file, partial }: Target): Promise<void> {
  for (let failures = 0; ; ) {
    const had = await sizeOf(partial)
    const whole = had === object.size && had > 0
    const broke = whole ? undefined : await append(bucket, object, { partial, had })
    const has = await sizeOf(partial)
    if (has === object.size) return rename(partial, file)
    if (has > object.size) await rm(partial, { force: true })
    failures = has > had ? 0 : failures + 1
    if (failures >= bucket.attempts) throw brokenOff(bucket, object, { has, broke })
    await systemClock().sleep(pauseAfter(failures, BACKOFF))
  }
}

function brokenOff(
  { description }: Bucket,
  { key, size }: Listed,
  { has, broke }: { readonly has: number; readonly broke: Error | undefined },
): FedsamError {
  const message = `${description}: ${key} breaks off after ${has} of ${size} bytes`
  const remedy = 'check the service; the fetched bytes stay, and the next start resumes there'
  return new FedsamError('StorageUnreachable', broke ? `${message}: ${broke.message}` : message, { remedy })
}

/** Resumes where the file ends; resolves to the error that ended the download. */
async function append(
  bucket: Bucket,
  object: Listed,
  { partial, had }: { readonly partial: string; readonly had: number },
): Promise<Error | undefined> {
  const { Body } = await reading(
    bucket,
    bucket.client.send(
      new GetObjectCommand({
        ...bucket.at(object.key),
        IfMatch: object.etag,
        ...(had > 0 ? { Range: `bytes=${had}-` } : {}),
      }),
    ),
    object,
  )
  return pipeline(Body as Readable, createWriteStream(partial, { flags: had > 0 ? 'a' : 'w' })).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOSPC' || error.code === 'EDQUOT') throw full(partial, error)
      return error
    },
  )
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  )
}

/** The answer, or an error with the remedy for a program that only reads. */
async function reading<T>(bucket: Bucket, asking: Promise<T>, object?: Listed): Promise<T> {
  const { description } = bucket
  const fail = (code: 'StorageUnreachable' | 'BadData', message: string, remedy: string) => () => {
    throw new FedsamError(code, message, { remedy })
  }
  const what = object === undefined ? description : `${description}: ${object.key}`
  const changed = fail(
    'BadData',
    `${what} was changed or deleted while it was fetched`,
    'do not change the data while a job fetches it; the fetch restarts by itself',
  )
  const forbidden = (name: string) =>
    fail(
      'StorageUnreachable',
      `${what}: ${name}: these credentials may not read it`,
      `allow s3:ListBucket on the bucket ${bucket.name} and s3:GetObject below the prefix, or name a Secret with other keys`,
    )()
  const status = (error: Error): never => {
    if (statusOf(error) === 403 || statusOf(error) === 401) return forbidden(error.name)
    throw error
  }
  return ask(bucket, asking.catch(status), {
    NoSuchBucket: fail(
      'StorageUnreachable',
      `${description}: NoSuchBucket: the bucket ${bucket.name} does not exist`,
      "create it, or correct the bucket in the partition's source.s3.uri",
    ),
    NoSuchKey: changed,
    PreconditionFailed: changed,
    '412': changed,
  })
}

function full(file: string, cause: Error): FedsamError {
  return new FedsamError('BadData', `${file} cannot be written: the volume is full`, {
    remedy: 'raise spec.workers.cache.sizeLimit, or give a larger volumeClaimTemplate',
    cause,
  })
}
