// Opens and reads files that other programs wrote. Guarantees that it opens only regular files, that no call blocks on a FIFO or
// a device, and that it reads at most the bytes that the caller allows. The caller decides which paths are allowed.
import { type BigIntStats, constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { unusable } from './dataset.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants

/**
 * Opens for reading a path that another program may have replaced. It follows no link (ELOOP), waits for no writer of a FIFO, and
 * does not become a terminal's owner. A system without one of the flags ignores it. Throws the errors of open(2).
 */
export function openUnlinked(path: string): Promise<FileHandle> {
  return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
}

/** The kinds of file for which open(2) fails with ENXIO. */
export const UNOPENED_KIND = 'a socket or a device without a driver'

/** The kind of something that is not a regular file, for a message. */
export function kindOf(found: Stats | BigIntStats): string {
  if (found.isDirectory()) return 'a folder'
  if (found.isFIFO()) return 'a FIFO'
  return found.isSocket() ? 'a socket' : 'a device'
}

/** A file that is open, and its size in bytes when it was opened. */
export interface RegularFile {
  readonly handle: FileHandle
  readonly size: number
}

/**
 * Opens `path`, which must hold no link, for `use`, and closes it afterwards.
 * Throws FedsamError BadData for a file that is not regular, has more than `mostBytes`, or cannot be opened.
 */
export async function withRegularFile<T>(
  path: string,
  mostBytes: number,
  use: (file: RegularFile) => Promise<T>,
): Promise<T> {
  const handle = await openUnlinked(path).catch((cause: unknown) => {
    throw unopened(cause)
  })
  try {
    const found = await handle.stat()
    if (found.isDirectory()) throw unusable('is a folder, not a file', 'Name a file.')
    if (!found.isFile()) throw notRegular(kindOf(found))
    if (found.size > mostBytes) {
      throw unusable(
        `has ${found.size} bytes, and at most ${mostBytes} are read`,
        'Name a smaller file, or split this one.',
      )
    }
    return await use({ handle, size: found.size })
  } finally {
    await handle.close()
  }
}

/** `length` bytes from `position` on. Throws FedsamError BadData where the file ends before. */
export async function readBytes(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) throw unusable('ends early', 'Copy the file again.')
    done += bytesRead
  }
  return bytes
}

/** The FedsamError for an error of the operating system. */
export function unopened(cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === undefined) return cause as Error
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return unusable('does not exist', 'Put the file there, or correct the name.', cause)
  }
  // Opening a socket, or a device without a driver, ends with ENXIO.
  if (code === 'ENXIO') return notRegular(UNOPENED_KIND)
  return unusable(`cannot be read (${code})`, 'Check that the file is readable for this user.', cause)
}

function notRegular(kind: string): Error {
  return unusable(`is not a regular file (it is ${kind})`, 'Replace it by a file.')
}
