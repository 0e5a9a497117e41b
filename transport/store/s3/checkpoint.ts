// Fetches a base checkpoint, or one file, from s3://bucket/prefix into a local folder. Guarantees: bounded memory; a failed fetch
// leaves no partial file. The caller chooses endpoint and credentials.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { ObjectStore } from '../../ports.ts'
import { s3Address } from './address.ts'
import type { S3Options } from './client.ts'
import { openS3Store } from './store.ts'

export interface S3Fetch {
  /** s3://bucket/prefix, or s3://bucket/key */
  readonly uri: string
  readonly settings: Omit<S3Options, 'bucket' | 'prefix'>
  /** A folder that exists. */
  readonly folder: string
  readonly log: (line: string) => void
}

const INDEX = 'model.safetensors.index.json'
const FILES = ['config.json', 'preprocessor_config.json', 'processor_config.json', INDEX] as const
const RANGE_BYTES = 16 * 1024 * 1024

/**
 * Fetches config.json, the processor's configuration, and model.safetensors or its index and shards. Throws FedsamError InvalidJob
 * for an address that is not s3://, CheckpointUnavailable for a missing file, BadCheckpoint for an invalid index,
 * StorageUnreachable.
 */
export async function fetchS3Checkpoint({ uri, settings, folder, log }: S3Fetch): Promise<void> {
  const store = openS3Store({ ...settings, ...s3Address(uri) })
  try {
    const found = await Promise.all(FILES.map((name) => copy(store, name, { folder, log })))
    const shards = found[FILES.indexOf(INDEX)] ? await shardNames(store, uri) : ['model.safetensors']
    for (const shard of shards) {
      if (!(await copy(store, shard, { folder, log }))) throw await missingFrom(store, shard)
    }
  } finally {
    await store.close()
  }
}

/** Fetches one object; returns the path of the file. Throws InvalidJob, CheckpointUnavailable, StorageUnreachable. */
export async function fetchS3File({ uri, settings, folder, log }: S3Fetch): Promise<string> {
  const { bucket, prefix: key } = s3Address(uri)
  const name = key.split('/').at(-1) ?? ''
  const store = openS3Store({ ...settings, bucket, prefix: key.slice(0, -name.length) })
  try {
    if (name === '') throw missing(uri)
    if (!(await copy(store, name, { folder, log }))) throw await missingFrom(store, name)
    return join(folder, name)
  } finally {
    await store.close()
  }
}

function missing(what: string): FedsamError {
  return new FedsamError('CheckpointUnavailable', `${what} is missing`, {
    remedy: 'check which objects the prefix has',
  })
}

/** The error for a missing file. Reading it first reports a missing bucket as such, which asking for the size does not. */
async function missingFrom(store: ObjectStore, name: string): Promise<FedsamError> {
  await store.get(name)
  return missing(`${store.description}/${name}`)
}

/** Copies an object to the folder; false where it does not exist. */
async function copy(
  store: ObjectStore,
  name: string,
  { folder, log }: Pick<S3Fetch, 'folder' | 'log'>,
): Promise<boolean> {
  const size = await store.size(name)
  if (size === undefined) return false
  log(`${store.description}/${name}: ${size} bytes`)
  const file = join(folder, name)
  try {
    await writeFile(file, '')
    for (let offset = 0; offset < size; offset += RANGE_BYTES) {
      const bytes = await store.get(name, { offset, length: Math.min(RANGE_BYTES, size - offset) })
      if (bytes === undefined) throw missing(`${store.description}/${name}`)
      await writeFile(file, bytes, { flag: 'a' })
    }
    return true
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
}

async function shardNames(store: ObjectStore, uri: string): Promise<string[]> {
  try {
    const index = JSON.parse(new TextDecoder().decode((await store.get(INDEX))!))
    const shards = [...new Set(Object.values((index as { weight_map: Record<string, string> }).weight_map))]
    if (shards.length > 0 && shards.every((name) => /^\w[\w.-]*\.safetensors$/.test(name)))
      return shards.sort()
  } catch (error) {
    if (error instanceof FedsamError) throw error
  }
  throw new FedsamError('BadCheckpoint', `${uri}/${INDEX} does not list safetensors shards`, {
    remedy: 'use a checkpoint whose index names its shards in weight_map',
  })
}
