// Reads a roster: a YAML or JSON file that maps each client to the public keys that its site published. It says who may have signed
// an update, so it must come from the sites and not from the person who ran the job.
import { readFile, stat } from 'node:fs/promises'
import * as v from 'valibot'
import { parse } from 'yaml'
import type { Roster } from '#coordinator/record/verify-roster.ts'
import { FedsamError } from '#protocol/errors.ts'
import { PublicKey } from '#protocol/signatures.ts'

/** Bytes of a roster at most: 1,000 clients with a hundred keys each have 7 MB. */
const MOST_BYTES = 16 * 1024 * 1024

const Name = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not the name of a client'),
)
const RosterSchema = v.record(Name, v.union([PublicKey, v.pipe(v.array(PublicKey), v.minLength(1))]))

const FORM = 'write one line for each client, NAME: KEY or NAME: [KEY, KEY]; a key has 64 hexadecimal digits'

/** Throws InvalidJob for a file that cannot be read, or holds anything else. */
export async function readRoster(file: string): Promise<Roster> {
  const parsed = v.safeParse(RosterSchema, await parsedFile(file))
  if (!parsed.success) {
    const [issue] = parsed.issues
    const path = v.getDotPath(issue) ?? ''
    throw invalid(`the roster ${file}: ${path === '' ? 'the file' : path}: ${issue.message}`)
  }
  const entries = Object.entries(parsed.output)
  if (entries.length === 0) throw invalid(`the roster ${file} names no client`)
  return new Map(entries.map(([client, keys]) => [client, typeof keys === 'string' ? [keys] : keys]))
}

async function parsedFile(file: string): Promise<unknown> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw invalid(`the roster ${file} cannot be read (${error.code})`, error)
  })
  if (!found.isFile() || found.size > MOST_BYTES)
    throw invalid(`the roster ${file} is not a file of at most ${MOST_BYTES} bytes`)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw invalid(`the roster ${file} cannot be read (${error.code})`, error)
  })
  try {
    // A key of decimal digits only is text too, so no scalar may become a number.
    return parse(text, { schema: 'failsafe', maxAliasCount: 0 })
  } catch (error) {
    throw invalid(`the roster ${file} is not YAML: ${(error as Error).message.split('\n')[0]}`, error)
  }
}

function invalid(message: string, cause?: unknown): FedsamError {
  return new FedsamError(
    'InvalidJob',
    message,
    cause === undefined ? { remedy: FORM } : { remedy: FORM, cause },
  )
}
