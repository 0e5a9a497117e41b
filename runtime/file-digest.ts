// SHA-256 of files, in bounded memory.
import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** Another program may write to the folder: opening follows no link, and does not wait for the writer of a FIFO. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Bytes of one read, into one buffer. */
const STEP_BYTES = 256 * 1024

/** Adds at most the first `most` bytes of a file to a hash. Resolves to their number; 0 where no regular file exists. */
export async function hashFile(file: string, hash: Hash, most = Number.POSITIVE_INFINITY): Promise<number> {
  const handle = await open(file, FLAGS).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ELOOP' || error.code === 'ENXIO') return undefined
    throw error
  })
  if (handle === undefined) return 0
  try {
    if (!(await handle.stat()).isFile()) return 0
    const step = new Uint8Array(STEP_BYTES)
    for (let size = 0; ; ) {
      const { bytesRead } = await handle.read(step, 0, Math.min(step.length, most - size), size)
      if (bytesRead === 0) return size
      hash.update(step.subarray(0, bytesRead))
      size += bytesRead
    }
  } finally {
    await handle.close()
  }
}

/** Lower-case hexadecimal SHA-256 of a file; that of no bytes where no regular file exists. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  await hashFile(file, hash)
  return hash.digest('hex')
}
