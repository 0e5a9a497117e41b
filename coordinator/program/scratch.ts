// Files of a program's working folder: read within the folder alone, with their digests, and copied to the store. A copy whose bytes
// changed since they were digested leaves no object. Links that lead out of the folder are refused.
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, realpath, rm } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { blockHasher, type PayloadDigest } from '#protocol/digest.ts'
import { makeFolders } from '#runtime/folders.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { WrongCall } from './seam.ts'

/** Bytes of one read: whole digest blocks. */
const READ_BYTES = 8 * 1024 * 1024
/** A FIFO has no end, so opening waits for no writer of one. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK

/** An empty folder at this path. A file that an earlier life left is deleted. */
export async function emptyFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
  await makeFolders(dirname(path))
  await mkdir(path)
}

/** A regular file of the folder, by its real path. Throws WrongCall. */
export async function fileWithin(folder: string, named: string): Promise<string> {
  const root = await realpath(folder)
  const path = await realpath(resolve(folder, named)).catch(() => undefined)
  if (path === undefined) throw new WrongCall(`the file ${named} does not exist`, WRITE)
  if (path.startsWith(`${root}${sep}`)) return path
  throw new WrongCall(`the file ${named} is not in the program's working folder`, WRITE)
}

const WRITE = 'write the file to the working folder before the call that names it'

/** The digests of a file. Throws WrongCall for anything but a regular file. */
export function digestFile(path: string): Promise<PayloadDigest> {
  return withFile(path, async (handle, size) => {
    const hasher = blockHasher()
    for await (const chunk of chunksOf(handle, size)) hasher.update(chunk)
    return hasher.finish()
  })
}

/** All bytes of a small file. Throws WrongCall for a larger one. */
export function readSmall(path: string, most: number): Promise<Uint8Array> {
  return withFile(path, async (handle, size) => {
    if (size > most)
      throw new WrongCall(`the file ${path} has ${size} bytes; at most ${most} are read`, WRITE)
    const chunks: Uint8Array[] = []
    for await (const chunk of chunksOf(handle, size)) chunks.push(chunk)
    return Buffer.concat(chunks)
  })
}

/** Copies the file to the key where the store has none. Throws WrongCall where its bytes are not those of the digest any more. */
export async function storeFile(
  store: ObjectStore,
  key: string,
  path: string,
  { size, sha256 }: Pick<PayloadDigest, 'size' | 'sha256'>,
): Promise<void> {
  if ((await store.size(key)) !== undefined) return
  await withFile(path, async (handle) => {
    await store.write(key, size, unchanged(path, chunksOf(handle, size), sha256))
  })
}

/** The chunks, one late: the last one follows once all have the digest. */
async function* unchanged(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  sha256: string,
): AsyncGenerator<Uint8Array> {
  const hasher = blockHasher()
  let last: Uint8Array | undefined
  for await (const chunk of chunks) {
    hasher.update(chunk)
    if (last !== undefined) yield last
    last = chunk
  }
  if (hasher.finish().sha256 !== sha256)
    throw new WrongCall(`the file ${path} changed while it was stored`, 'write it no more after the call')
  if (last !== undefined) yield last
}

async function withFile<T>(path: string, work: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  const handle = await open(path, FLAGS)
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw new WrongCall(`${path} is not a regular file`, WRITE)
    return await work(handle, found.size)
  } finally {
    await handle.close()
  }
}

async function* chunksOf(handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    const chunk = new Uint8Array(Math.min(READ_BYTES, size - at))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) throw new WrongCall('a file became shorter while it was read', WRITE)
    yield chunk.subarray(0, bytesRead)
    at += bytesRead
  }
}

/** A path in the folder, with the parents that it needs. */
export async function placeIn(folder: string, ...parts: readonly string[]): Promise<string> {
  const path = join(folder, ...parts)
  await makeFolders(dirname(path))
  return path
}
