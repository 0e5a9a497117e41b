// The files of a filesystem store: creates a complete file or none, and reads ranges. Guarantees: an object appears by link(2)
// from a complete temporary file, and link(2) fails where the name exists. With `durable`, data and directory entry are on the
// disk before the write returns. A crash may leave temporary files, and an empty folder of a key. A write needs few turns of the
// event loop, since they take most of its time on a fast disk. Temporary files are in ".store~" below the root: no key contains
// "~".

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
  /** True: no folder of a key may be a link. A link in a record could name any file of this machine. */
  readonly strict?: boolean
}

export const pathOf = (folder: Folder, key: string): string => join(folder.root, key)
export const internalPath = (folder: Folder, ...names: string[]): string =>
  join(folder.root, '.store~', ...names)

/** The result; undefined where it fails with one of these codes ("ENOENT"). */
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

/** Codes of reading a key without an object: no such file, or a file in the place of the key's folder. */
export const ABSENT = ['ENOENT', 'ENOTDIR'] as const

/** Codes of link(2) on a file system without hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV']

/** The result of an operation on the folder's files. A refusal of the system becomes a FedsamError. */
export async function guarded<Result>(folder: Folder, doing: Promise<Result>): Promise<Result> {
  try {
    return await doing
  } catch (cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException
    if (!code || !syscall) throw cause
    const text = `folder ${folder.root}: ${message}`
    if (syscall === 'link' && NO_LINKS.includes(code)) {
      throw new FedsamError('StorageUnsuitable', text, {
        cause,
        remedy: 'use a file system with hard links',
      })
    }
    const remedy = code === 'ENOSPC' ? 'free some space on the disk' : 'check that the folder can be written'
    throw new FedsamError('StorageUnreachable', text, { cause, remedy })
  }
}

/** Writes the chunks to a new file that no key names, and returns its path. Leaves no file when it throws. */
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
      closeSoon(handle) // all bytes are on the disk, so closing cannot fail in a way that matters
    } else await handle.close()
    return path
  } catch (error) {
    await handle.close().catch(() => {})
    await unlink(path).catch(() => {})
    throw error
  }
}

/** Closes the handle without waiting, where a failure to close means nothing. */
function closeSoon(handle: FileHandle): void {
  handle.close().catch(() => {})
}

async function openNew(path: string): Promise<FileHandle> {
  const handle = await unless(['ENOENT'], open(path, 'wx'))
  if (handle) return handle
  await makeFolders(dirname(path))
  return open(path, 'wx')
}

/** Creates the object of a key from a body in memory, unless the object exists. */
export async function writeBody(folder: Folder, key: string, body: Uint8Array): Promise<Written> {
  // The folder is created during the write. Where it is still missing afterwards, linkInto creates it or reports why not.
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

/** Gives a complete temporary file the name of its key, unless the object exists. Deletes the temporary file. */
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

/** Creates the key's folder where it is missing. A concurrent deletion may remove it again before the link, so this retries. */
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

/** Codes of open(2) for a link that it must not follow. */
const LINK = ['ELOOP', 'EMLINK'] as const

/**
 * Opens the file of a key for reading; undefined where it does not exist. Throws RecordDamaged for a link. Never waits for a FIFO.
 */
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

/** Bytes of the file of a key; undefined where it does not exist. Throws RecordDamaged for a link. */
export async function sizeOf(folder: Folder, key: string): Promise<number | undefined> {
  if (folder.strict) await refuseLinkedFolder(folder, key)
  const found = await guarded(folder, unless(ABSENT, lstat(pathOf(folder, key))))
  if (found?.isSymbolicLink()) throw linked(folder, key)
  return found?.isFile() ? found.size : undefined
}

function linked(folder: Folder, key: string): FedsamError {
  return new FedsamError('RecordDamaged', `${pathOf(folder, key)} is a link, or in a folder that is a link`, {
    remedy: 'replace the link by the file or folder that it names',
  })
}

/** The file or a range of it, in `into` where the lengths are equal; undefined where the file does not exist. */
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
