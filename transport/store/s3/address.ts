// Bucket and prefix of an s3:// address. Pure.
import { FedsamError } from '#protocol/errors.ts'

interface S3Address {
  readonly bucket: string
  /** Without a slash at its end; '' is the whole bucket. */
  readonly prefix: string
}

/** Throws InvalidJob for anything but s3://bucket, with or without a prefix. */
export function s3Address(uri: string): S3Address {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri)
  if (match === null) {
    throw new FedsamError('InvalidJob', `the address ${uri} is not s3://bucket/prefix`, {
      remedy: 'write the name of the bucket after s3://, and then the prefix of the run or of the checkpoint',
    })
  }
  return { bucket: match[1]!, prefix: match[2]!.replace(/\/$/, '') }
}

/** The address of a run's record. A job's status shows its output, which is below the record. */
export function recordAddress(uri: string): S3Address {
  const { bucket, prefix } = s3Address(uri)
  return { bucket, prefix: prefix.replace(/(^|\/)output$/, '') }
}
