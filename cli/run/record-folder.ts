// Where the record of a run lies below its output folder: right there, or in the S3 server's bucket of a run in processes. Opens it
// for readers who trust nothing in it: no link is followed, and no marker of any length is read into memory.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RUN_KEY } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { boundedStore } from '#transport/store/bounded.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'

/** Of a run in processes. */
export const BUCKET = 'fedsam'

/** Where the record of a run in processes lies. */
export function processRecord(output: string): string {
  return join(output, 'servers', 's3', 'buckets', BUCKET)
}

/** The folder that holds run.json; the output itself where there is none. */
export async function recordFolder(output: string): Promise<string> {
  const inProcesses = processRecord(output)
  const found = await stat(join(inProcesses, RUN_KEY)).catch(() => undefined)
  return found === undefined ? output : inProcesses
}

/** The record in this folder, for reading. */
export async function openRecordFolder(folder: string): Promise<ObjectStore> {
  return boundedStore(await openFilesystemStore({ folder, strict: true }))
}
