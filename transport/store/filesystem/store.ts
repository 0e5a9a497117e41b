// An object store in a folder: an object is a file, and its key is the path. Several processes may use one folder. Guarantees
// those of ports.ts. link(2) creates an object only where none exists; `durable` (the default) syncs each object and its folder.
// Opening creates no file, so it also works in a folder without the right to write.

import { readdir, realpath, rm, rmdir, stat, unlink } from 'node:fs/promises'
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

interface FilesystemOptions {
  readonly folder: string
  /** False: a crash of the machine (not of a process) may lose the last objects. Saves about a millisecond per write. */
  readonly durable?: boolean
  /** True: refuses links within the folder; the folder itself may be one. For records that another user may have written. */
  readonly strict?: boolean
  /** Milliseconds since 1970, for the expiry of grants. */
  readonly now?: () => number
}

/**
 * Opens the store, and deletes what crashed writers left: temporary files after a day, open uploads after a week. A strict store
 * keeps them, because opening another user's record must not change it.
 */
export async function openFilesystemStore(options: FilesystemOptions): Promise<ObjectStore> {
  const { durable = true, strict = false } = options
  const folder: Folder = { root: resolve(options.folder), durable, strict }
  if (!strict) {
    await sweep(folder, 'temporary', DAY_MS)
    await sweep(folder, 'uploads', 7 * DAY_MS)
  }
  return {
    description: `folder ${options.folder}`,
    ...objectsOf(folder),
    ...grantsOf(folder, options.now ?? Date.now),
    ...uploadsOf(folder),
    async close() {},
  }
}

/** Deletes old entries of an internal folder. It skips a link: its entries could be any files of this machine. */
async function sweep(folder: Folder, name: string, ageMs: number): Promise<void> {
  const path = internalPath(folder, name)
  const found = await Promise.all([realpath(folder.root), realpath(path)]).catch(() => undefined)
  if (found === undefined || found[1] !== internalPath({ ...folder, root: found[0] }, name)) return
  for (const entry of await readdir(path).catch(() => [])) {
    const left = await stat(join(path, entry)).catch(() => undefined)
    const old = left !== undefined && Date.now() - left.mtimeMs > ageMs
    if (old) await rm(join(path, entry), { recursive: true, force: true }).catch(() => {})
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
    async list(prefix: string) {
      return guarded(folder, namesBelow(folder, prefix))
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

/** Names that one listing returns, and folders that it reads. */
const MOST_NAMES = 1000

/** The names below a folder of keys. It lists a link by its name, and does not follow it. */
async function namesBelow(folder: Folder, prefix: string): Promise<string[]> {
  const found: string[] = []
  const top = prefix.replace(/\/$/, '')
  await sizeOf(folder, top) // refuses a link
  const open = [top]
  for (let read = 0; open.length > 0 && found.length < MOST_NAMES && read < MOST_NAMES; read += 1) {
    const at = open.shift()!
    const entries = await unless(ABSENT, readdir(pathOf(folder, at), { withFileTypes: true }))
    for (const entry of entries ?? []) (entry.isDirectory() ? open : found).push(`${at}/${entry.name}`)
  }
  return found.slice(0, MOST_NAMES)
}

/** Deletes the empty folders above a deleted object: a store has no folders of its own. */
async function removeEmptyFolders(folder: Folder, from: string): Promise<void> {
  for (let at = from; at.length > folder.root.length; at = dirname(at)) {
    const removed = await rmdir(at).then(
      () => true,
      () => false, // not empty, or deleted already
    )
    if (!removed) return
  }
}
