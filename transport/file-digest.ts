// SHA-256 of files, in bounded memory.
import { createHash, type Hash } from 'node:crypto'
import { open } from 'node:fs/promises'

/** Bytes read at a time, into one buffer. */
const STEP_BYTES = 256 * 1024

/** Adds a file's first bytes, at most so many, to a hash; resolves to their number, 0 where there is no file. */
export async function hashFile(file: string, hash: Hash, most = Number.POSITIVE_INFINITY): Promise<number> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return 0
  try {
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

/** Lower-case hexadecimal SHA-256; that of no bytes where there is no file. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  await hashFile(file, hash)
  return hash.digest('hex')
}
