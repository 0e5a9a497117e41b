// Reads and writes whole blocks of an open file: retries short reads and writes until every byte is transferred.
import type { FileHandle } from 'node:fs/promises'

/** Bytes of one read or write: below Linux's limit of 2 GiB per call. */
const STEP_BYTES = 2 ** 30

/**
 * Writes the whole chunk, at a position or at the file's current one. FileHandle.writeFile does so in steps of 512 KiB, and takes
 * three times as long.
 */
export async function writeFully(handle: FileHandle, chunk: Uint8Array, position?: number): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) {
    const step = Math.min(chunk.byteLength - at, STEP_BYTES)
    const place = position === undefined ? null : position + at
    at += (await handle.write(chunk, at, step, place)).bytesWritten
  }
}

/** Fills the body from the offset on, and returns it. Throws RangeError where the file ends too early. */
export async function readFully(handle: FileHandle, offset: number, body: Uint8Array): Promise<Uint8Array> {
  const { length } = body
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(body, at, Math.min(length - at, STEP_BYTES), offset + at)
    if (bytesRead === 0) throw new RangeError(`a file ended ${length - at} bytes before its length`)
    at += bytesRead
  }
  return body
}
