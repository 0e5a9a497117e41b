// An object store in a folder: an object is a file, its key the path. Any number of processes may use one folder.
// Promises: all of ports.ts, the absent-only write by link(2); `durable` (the default) syncs each object and its folder.
// Nothing is created before the first write, so a folder that may only be read can be opened.

import { readdir, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { exactly } from '#runtime/chunks.ts'
import type { ByteRange, ObjectStore } from '../../ports.ts'
import { checkKey } from '../key.ts'
import {
  ABSENT,
  type Folder,
  guarded,
  internalPath,
  pathOf,
  publish,
  readWithin,
  sizeOf,
  unless,
  writeBody,
  writeTemporary,
} from './files.ts'
import { grantsOf } from './grants.ts'
import { uploadsOf } from './uploads.ts'

const DAY_MS = 24 * 60 * 60 * 1000

export interface FilesystemOptions {
  readonly folder: string
  /** False: a crash of the machine (not of a process) may lose the last objects. Saves about a millisecond a write. */
  readonly durable?: boolean
  /** True: links in the folder are refused; the folder itself may be one. For records that somebody else may have written. */
  readonly strict?: boolean
  /** Milliseconds; decides whether a grant has expired. */
  readonly now?: () => number
}

/** Opens the store and sweeps what crashed writers left: temporary files of a day, open uploads of a week. */
export async function openFilesystemStore(options: FilesystemOptions): Promise<ObjectStore> {
  const { durable = true, strict = false } = options
  const folder: Folder = { root: resolve(options.folder), durable, strict }
  await sweep(internalPath(folder, 'temporary'), DAY_MS)
  await sweep(internalPath(folder, 'uploads'), 7 * DAY_MS)
  return {
    description: `folder ${options.folder}`,
    ...objectsOf(folder),
    ...grantsOf(folder, options.now ?? Date.now),
    ...uploadsOf(folder),
    async close() {},
  }
}

async function sweep(path: string, ageMs: number): Promise<void> {
  for (const name of await readdir(path).catch(() => [])) {
    const found = await stat(join(path, name)).catch(() => undefined)
    const old = found !== undefined && Date.now() - found.mtimeMs > ageMs
    if (old) await rm(join(path, name), { recursive: true, force: true }).catch(() => {})
  }
}

function objectsOf(folder: Folder) {
  return {
    async get(key: string, range?: ByteRange, into?: Uint8Array) {
      return readWithin(folder, checkKey(key), range, into)
    },
    async size(key: string) {
      return sizeOf(folder, checkKey(key))
    },
    async put(key: string, body: Uint8Array) {
      checkKey(key)
      return writeBody(folder, key, body)
    },
    async write(key: string, size: number, chunks: AsyncIterable<Uint8Array>) {
      checkKey(key)
      return publish(folder, await writeTemporary(folder, exactly(key, size, chunks)), key)
    },
    async delete(key: string) {
      const path = pathOf(folder, checkKey(key))
      await guarded(folder, unless(ABSENT, unlink(path)))
      await removeEmptyFolders(folder, dirname(path))
    },
  }
}

/** A store has no folders: one that holds nothing any more goes with its last object. */
async function removeEmptyFolders(folder: Folder, from: string): Promise<void> {
  for (let at = from; at.length > folder.root.length; at = dirname(at)) {
    const removed = await rmdir(at).then(
      () => true,
      () => false, // not empty, or gone already
    )
    if (!removed) return
  }
}
