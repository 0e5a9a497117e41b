// Finds and opens the record of a run below its output folder: in the folder itself, or in the S3 server's bucket of a run in
// processes. Readers need not trust it: they follow no link, and the length of a marker in memory is bounded.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { RUN_KEY } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { boundedStore } from '#transport/store/bounded.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'

/** The bucket of a run in processes. */
export const BUCKET = 'fedsam'

/** The folder of the record of a run in processes. */
export function processRecord(output: string): string {
  return join(output, 'servers', 's3', 'buckets', BUCKET)
}

/** The folder with run.json; the output folder itself where no folder has it. */
export async function recordFolder(output: string): Promise<string> {
  const inProcesses = processRecord(output)
  const found = await stat(join(inProcesses, RUN_KEY)).catch(() => undefined)
  return found === undefined ? output : inProcesses
}

/** Opens the record in this folder for reading. */
export async function openRecordFolder(folder: string): Promise<ObjectStore> {
  return boundedStore(await openFilesystemStore({ folder, strict: true }))
}
