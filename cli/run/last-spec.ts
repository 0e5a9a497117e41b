// The spec that a run on this machine last started with, in job.json of its output folder. The record keeps only what never
// changes; a user who changes another field of a finished job must hear that it has no effect. Nothing else reads the file.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJson, encodeJson } from '#protocol/canonical.ts'
import { openRecordFolder } from './record-folder.ts'

const FILE = 'job.json'

/** Undefined fields are absent and numbers are JSON's, as in the record. Null if there is no such file, or it is damaged. */
export async function lastSpecOf(output: string): Promise<Readonly<Record<string, unknown>> | null> {
  const store = await openRecordFolder(output)
  const bytes = await store.get(FILE).catch(() => undefined)
  if (bytes === undefined) return null
  try {
    const { spec } = decodeJson(bytes) as { spec?: unknown }
    return typeof spec === 'object' ? (spec as Readonly<Record<string, unknown>> | null) : null
  } catch {
    return null
  }
}

/** Replaces the file. Trainers may have secrets in their environment, so only the user may read it. */
export async function noteSpec(output: string, spec: object): Promise<void> {
  const draft = join(output, `${FILE}.draft`)
  await writeFile(draft, encodeJson({ spec }), { mode: 0o600 })
  await rename(draft, join(output, FILE))
}
