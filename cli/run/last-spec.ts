// The spec that a run on this machine last started with, in job.json of its output folder. The record keeps only what never
// changes; so a run can report a changed field that has no effect on a finished job. No other code reads the file.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJson, encodeJson } from '#protocol/canonical.ts'
import { openRecordFolder } from './record-folder.ts'

const FILE = 'job.json'

/** The spec as JSON, as in the record. Null where the file is missing or damaged. */
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

/** Replaces the file. A spec may contain secrets for trainers, so only the user can read it. */
export async function noteSpec(output: string, spec: object): Promise<void> {
  const draft = join(output, `${FILE}.draft`)
  await writeFile(draft, encodeJson({ spec }), { mode: 0o600 })
  await rename(draft, join(output, FILE))
}
