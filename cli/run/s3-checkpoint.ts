// A base checkpoint from s3://bucket/prefix on this machine: its files are copied into a temporary folder by the default
// credential chain (AWS_* variables, profiles, roles). A run copies it into its record, so the folder goes with the process.
import { rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { openS3Store } from '#transport/s3.ts'

const FILES = [
  'config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'model.safetensors.index.json',
] as const
const RANGE_BYTES = 16 * 1024 * 1024

/** Throws InvalidJob for what is no s3 address, BadCheckpoint where there is no checkpoint. */
export async function fetchS3Checkpoint(uri: string, log: (line: string) => void): Promise<string> {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri)
  if (match === null) throw new FedsamError('InvalidJob', `${uri} is not s3://bucket/prefix`)
  const endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL
  const store = openS3Store({
    bucket: match[1]!,
    prefix: match[2]!.replace(/\/$/, ''),
    forcePathStyle: endpoint !== undefined,
    ...(endpoint === undefined ? {} : { endpoint }),
  })
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-checkpoint-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const copy = async (name: string): Promise<boolean> => {
    const size = await store.size(name)
    if (size === undefined) return false
    log(`${uri}/${name}: ${size} bytes`)
    for (let offset = 0; offset < size; offset += RANGE_BYTES) {
      const bytes = await store.get(name, { offset, length: Math.min(RANGE_BYTES, size - offset) })
      await writeFile(join(folder, name), bytes!, { flag: offset === 0 ? 'w' : 'a' })
    }
    return true
  }
  try {
    const found = await Promise.all(FILES.map(copy))
    const shards = found[3] ? await shardNames(store) : ['model.safetensors']
    for (const shard of shards) {
      if (!(await copy(shard)))
        throw new FedsamError('BadCheckpoint', `${uri}/${shard} is missing`, {
          remedy: 'see what lies under the prefix',
        })
    }
    return folder
  } finally {
    await store.close()
  }
}

async function shardNames(store: ReturnType<typeof openS3Store>): Promise<string[]> {
  const index = JSON.parse(new TextDecoder().decode((await store.get('model.safetensors.index.json'))!))
  return [...new Set(Object.values((index as { weight_map: Record<string, string> }).weight_map))].sort()
}
