// Opens and reads files that others wrote. Promises that only regular files are opened, that no call blocks on a FIFO or
// a device, and that no more bytes are read than the caller allows. Who may name which path is the caller's question.
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { unusable } from './dataset.ts'

/** O_NONBLOCK: opening a FIFO returns at once. O_NOFOLLOW: a link that replaced the checked file is not followed. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0)

/** A file that is open, and its size in bytes when it was opened. */
export interface RegularFile {
  readonly handle: FileHandle
  readonly size: number
}

/**
 * Opens `path`, which must hold no link, for `use`, and closes it afterwards.
 * Throws FedsamError BadData for what is no regular file, has more than `mostBytes`, or cannot be opened.
 */
export async function withRegularFile<T>(
  path: string,
  mostBytes: number,
  use: (file: RegularFile) => Promise<T>,
): Promise<T> {
  const handle = await open(path, FLAGS).catch((cause: unknown) => {
    throw unopened(cause)
  })
  try {
    const found = await handle.stat()
    if (found.isDirectory()) throw unusable('is a folder, not a file', 'Name a file.')
    if (!found.isFile()) throw notRegular()
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

/** The sentence for an error of the operating system. */
export function unopened(cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === undefined) return cause as Error
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return unusable('does not exist', 'Put the file there, or correct the name.', cause)
  }
  // Opening a socket, or a device without a driver, ends with ENXIO.
  if (code === 'ENXIO') return notRegular()
  return unusable(`cannot be read (${code})`, 'Check that the file is readable for this user.', cause)
}

function notRegular(): Error {
  return unusable('is not a regular file (it is a FIFO, a device or a socket)', 'Replace it by a file.')
}
