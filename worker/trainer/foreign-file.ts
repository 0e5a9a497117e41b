// Opens a file in a folder that a trainer can also write to. Guarantees: it follows no link, it never waits (on a FIFO or a
// device), and later reads get the checked file, even if another file takes its path. Reading is left to the callers, through the
// open handle.
import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { kindOf, openUnlinked, UNOPENED_KIND } from '../data/regular-file.ts'

export interface ForeignFile {
  readonly handle: FileHandle
  /** Size in bytes when it was opened. */
  readonly size: number
  /** Throws TrainerFailed where the file changed after it was opened. */
  check(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a regular file of at most `most` bytes for reading; undefined where it does not exist. `what` names it in messages. Throws
 * TrainerFailed for anything else at this path: a link, a FIFO, a device, a socket, a folder, a file with several names.
 */
export async function openForeign(
  path: string,
  most: number,
  what: string,
): Promise<ForeignFile | undefined> {
  const handle = await openAsIs(path, what)
  if (handle === undefined) return undefined
  try {
    const found = await handle.stat({ bigint: true })
    const why = refusalOf(found, most)
    if (why !== undefined) throw refused(what, `${path} ${why}`)
    return await holdFile(handle, path, what)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function refusalOf(found: BigIntStats, most: number): string | undefined {
  if (!found.isFile()) return `is ${kindOf(found)}`
  if (found.nlink > 1n) return `is a hard link: the file has ${found.nlink} names`
  if (found.size > BigInt(most)) return `has ${found.size} bytes; the limit is ${most} bytes`
  return undefined
}

/** A handle for an open file in its present state. */
export async function holdFile(handle: FileHandle, path: string, what: string): Promise<ForeignFile> {
  const opened = await handle.stat({ bigint: true })
  return {
    handle,
    size: Number(opened.size),
    async check() {
      const { size, mtimeNs } = await handle.stat({ bigint: true })
      if (size === opened.size && mtimeNs === opened.mtimeNs) return
      throw refused(what, `${path} changed while it was read`)
    },
    close: () => handle.close(),
  }
}

/** Reads such a file completely as text; undefined where it does not exist. */
export async function readForeignText(path: string, most: number, what: string): Promise<string | undefined> {
  const file = await openForeign(path, most, what)
  if (file === undefined) return undefined
  try {
    const bytes = new Uint8Array(file.size)
    const { bytesRead } = await file.handle.read(bytes, 0, bytes.length, 0)
    return Buffer.from(bytes.buffer, 0, bytesRead).toString('utf8')
  } finally {
    await file.close()
  }
}

async function openAsIs(path: string, what: string): Promise<FileHandle | undefined> {
  try {
    return await openUnlinked(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw refused(what, `${path} ${REASONS[code ?? ''] ?? `cannot be opened (${code})`}`, cause)
  }
}

/** The reasons for error codes of open(2). */
const REASONS: Readonly<Record<string, string>> = {
  ELOOP: 'is a link',
  EMLINK: 'is a link',
  ENXIO: `is ${UNOPENED_KIND}`,
  EACCES: 'is not readable for this user',
}

function refused(what: string, why: string, cause?: unknown): FedsamError {
  return new FedsamError('TrainerFailed', `${what} cannot be used: ${why}`, {
    cause,
    remedy: 'write a regular file to the path that the call names, and complete it before the answer',
  })
}
