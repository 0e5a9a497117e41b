// The files under a filesystem store: how one is written whole or not at all, and how a range of one is read.
// Promises: an object appears by link(2) from a complete temporary file, which fails where the name is taken; with
// `durable`, data and directory entry are on the disk before a write is reported. A crash leaves temporary files, and perhaps the
// folder of a key, empty. What one write asks of the system it asks in as few turns as it can: on fast disks the turns are its time.
// They lie in ".store~" below the root: "~" is in no key.

import { constants } from 'node:fs'
import { type FileHandle, link, lstat, open, realpath, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { readFully, writeFully } from '#runtime/file-bytes.ts'
import { makeFolders } from '#runtime/folders.ts'
import type { ByteRange, Written } from '../../ports.ts'
import { rangeWithin } from '../key.ts'

export interface Folder {
  /** Absolute path. */
  readonly root: string
  readonly durable: boolean
  /** True: every folder of a key must be a real one. A link in the record could name any file of this machine. */
  readonly strict?: boolean
}

export const pathOf = (folder: Folder, key: string): string => join(folder.root, key)
export const internalPath = (folder: Folder, ...names: string[]): string =>
  join(folder.root, '.store~', ...names)

/** Undefined where the system answers with one of these codes ("ENOENT"). */
export async function unless<Result>(
  codes: readonly string[],
  doing: Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await doing
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** What reading says of a key that holds nothing: no such file, or a file where the key wants a folder. */
export const ABSENT = ['ENOENT', 'ENOTDIR'] as const

/** What link(2) says where the file system has no hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV']

/** Runs something on the folder's files; what the system refuses becomes a FedsamError. */
export async function guarded<Result>(folder: Folder, doing: Promise<Result>): Promise<Result> {
  try {
    return await doing
  } catch (cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException
    if (!code || !syscall) throw cause
    const said = `folder ${folder.root}: ${message}`
    if (syscall === 'link' && NO_LINKS.includes(code)) {
      throw new FedsamError('StorageUnsuitable', said, { cause, remedy: 'use a file system with hard links' })
    }
    const remedy = code === 'ENOSPC' ? 'free some space on the disk' : 'check that the folder can be written'
    throw new FedsamError('StorageUnreachable', said, { cause, remedy })
  }
}

/** Writes the chunks into a new file outside of the keys' space and returns its path; nothing is left when it throws. */
export async function writeTemporary(
  folder: Folder,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string> {
  const path = internalPath(folder, 'temporary', crypto.randomUUID())
  const handle = await guarded(folder, openNew(path))
  try {
    for await (const chunk of chunks) await guarded(folder, writeFully(handle, chunk))
    if (folder.durable) {
      await guarded(folder, handle.datasync())
      closeSoon(handle) // all is on the disk: closing has nothing left to say
    } else await handle.close()
    return path
  } catch (error) {
    await handle.close().catch(() => {})
    await unlink(path).catch(() => {})
    throw error
  }
}

/** Closes it beside what comes next, for a handle whose closing can bring no news. */
function closeSoon(handle: FileHandle): void {
  handle.close().catch(() => {})
}

async function openNew(path: string): Promise<FileHandle> {
  const handle = await unless(['ENOENT'], open(path, 'wx'))
  if (handle) return handle
  await makeFolders(dirname(path))
  return open(path, 'wx')
}

/** Writes a body that is at hand under its key, unless the key is taken. */
export async function writeBody(folder: Folder, key: string, body: Uint8Array): Promise<Written> {
  // Beside the writing. Where there is no folder in the end, for whatever reason, the link says so or makes it.
  const making = makeFolder(folder, dirname(pathOf(folder, key))).then(
    () => undefined,
    (error: NodeJS.ErrnoException) =>
      error.syscall === 'mkdir' || error.code === 'ENOENT' ? undefined : error,
  )
  const temporary = await writeTemporary(folder, [body])
  const failure = await making
  if (failure === undefined) return publish(folder, temporary, key)
  await unlink(temporary).catch(() => {})
  return guarded(folder, Promise.reject(failure))
}

async function makeFolder(folder: Folder, path: string): Promise<void> {
  const first = await makeFolders(path)
  if (first && folder.durable) await syncNewFolders(first, path)
}

/** Gives a complete temporary file its key, unless the key is taken. The temporary file is gone afterwards. */
export async function publish(folder: Folder, temporary: string, key: string): Promise<Written> {
  const path = pathOf(folder, key)
  const forget = (): Promise<void> => unlink(temporary).catch(() => {})
  const created = await guarded(folder, unless(['EEXIST'], linkInto(folder, temporary, path))).catch(
    (error: unknown) => forget().then(() => Promise.reject(error)),
  )
  const syncing = created && folder.durable ? guarded(folder, syncFolder(dirname(path))) : undefined
  await Promise.all([syncing, forget()])
  return created ? 'Created' : 'Exists'
}

/** The key's folder is made when it is missing; a deletion beside us may take it away again in between. */
async function linkInto(folder: Folder, temporary: string, path: string): Promise<true> {
  for (let attempt = 1; ; attempt++) {
    try {
      await link(temporary, path)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt > 20) throw error
    }
    await unless(['ENOENT'], makeFolder(folder, dirname(path)))
  }
}

async function syncNewFolders(first: string, last: string): Promise<void> {
  const parents: string[] = []
  for (let at = last; at.length >= first.length; at = dirname(at)) parents.push(dirname(at))
  await Promise.all(parents.map(syncFolder))
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  await handle.sync().finally(() => closeSoon(handle))
}

/** What open(2) says of a link that it may not follow. */
const LINK = ['ELOOP', 'EMLINK'] as const

/** Opens a key's file for reading; undefined if no file has that name. Throws RecordDamaged for a link. Never waits for a pipe. */
export async function openKey(folder: Folder, key: string): Promise<FileHandle | undefined> {
  const path = pathOf(folder, key)
  if (folder.strict) await refuseLinkedFolder(folder, key)
  try {
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
    return await guarded(folder, unless(ABSENT, open(path, flags)))
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
    throw LINK.some((known) => known === code) ? linked(folder, key) : error
  }
}

async function refuseLinkedFolder(folder: Folder, key: string): Promise<void> {
  const [root, found] = await Promise.all(
    [folder.root, dirname(pathOf(folder, key))].map((path) => unless(ABSENT, realpath(path))),
  )
  if (root === undefined || found === undefined) return
  if (found !== dirname(join(root, key))) throw linked(folder, key)
}

/** Bytes of a key's file; undefined if no file has that name. Throws RecordDamaged for a link. */
export async function sizeOf(folder: Folder, key: string): Promise<number | undefined> {
  if (folder.strict) await refuseLinkedFolder(folder, key)
  const found = await guarded(folder, unless(ABSENT, lstat(pathOf(folder, key))))
  if (found?.isSymbolicLink()) throw linked(folder, key)
  return found?.isFile() ? found.size : undefined
}

function linked(folder: Folder, key: string): FedsamError {
  return new FedsamError('RecordDamaged', `${pathOf(folder, key)} is a link, or a folder of it is`, {
    remedy: 'put the file itself there',
  })
}

/** The file's bytes, or the range of them, in `into` where that is as long; undefined where there is no such file. */
export async function readWithin(folder: Folder, key: string, range?: ByteRange, into?: Uint8Array) {
  const handle = await openKey(folder, key)
  if (!handle) return undefined
  try {
    const found = await handle.stat()
    if (!found.isFile()) return undefined
    const { offset, length } = rangeWithin(key, found.size, range)
    const body = into?.length === length ? into : new Uint8Array(length)
    return await guarded(folder, readFully(handle, offset, body))
  } finally {
    closeSoon(handle)
  }
}
