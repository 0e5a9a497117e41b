// A file that only its user may read.
import { rm, writeFile } from 'node:fs/promises'

/** Replaces the file. Writing keeps the mode of an existing file, so it is deleted first. */
export async function writePrivate(file: string, text: string): Promise<void> {
  await rm(file, { force: true })
  await writeFile(file, text, { mode: 0o600 })
}
