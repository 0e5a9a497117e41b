// Plans the fetch of a data source: compares the listed objects with the files of an earlier start. Pure.
// Guarantees that every key becomes a path below one folder, or an error.
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import type { Listed } from '#transport/store/s3/prefix.ts'

const EntrySchema = v.object({ key: v.string(), size: v.number(), etag: v.string() })
const ManifestSchema = v.object({ uri: v.string(), objects: v.array(EntrySchema) })

/** The fetched objects. The file with them, beside the data, is written last. */
export type Manifest = v.InferOutput<typeof ManifestSchema>

/** Reads a manifest; undefined for anything else. */
export function readManifest(text: string): Manifest | undefined {
  try {
    const parsed = v.safeParse(ManifestSchema, JSON.parse(text))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}

/** Reads the complete lines of the journal. */
export function readJournal(text: string): Listed[] {
  return text.split('\n').flatMap((line) => {
    try {
      const parsed = v.safeParse(EntrySchema, JSON.parse(line))
      return parsed.success ? [parsed.output] : []
    } catch {
      return []
    }
  })
}

export interface FetchPlan {
  /** Objects whose files an earlier start has fetched. */
  readonly keep: readonly Listed[]
  readonly fetch: readonly Listed[]
  /** Files of an earlier start whose objects the source no longer has. */
  readonly remove: readonly string[]
}

/** The last entry of a key counts: it was written when the file was renamed into place. */
export function planFetch(listed: readonly Listed[], had: readonly Listed[]): FetchPlan {
  const known = new Map(had.map((entry) => [entry.key, entry]))
  const wanted = new Set(listed.map(({ key }) => key))
  const isKept = ({ key, size, etag }: Listed): boolean =>
    known.get(key)?.size === size && known.get(key)?.etag === etag
  return {
    keep: listed.filter(isKept),
    fetch: listed.filter((object) => !isKept(object)),
    remove: [...known.keys()].filter((key) => !wanted.has(key)).sort(),
  }
}

/** Throws BadData for a source without objects, and for a key that cannot be a file below one folder; the error names the key. */
export function checkKeys(uri: string, listed: readonly Listed[]): void {
  if (listed.length === 0) {
    throw new FedsamError('BadData', `${uri}: there is no object under this prefix`, {
      remedy: "put the partition's files there, or correct its source.s3.uri",
    })
  }
  const keys = new Set(listed.map(({ key }) => key))
  const folders = new Set([...keys].flatMap(foldersOf))
  for (const key of keys) {
    const why = whyNoFile(key) ?? (folders.has(key) ? 'it is a folder of other keys too' : undefined)
    if (why === undefined) continue
    throw new FedsamError('BadData', `${uri}: the key ${JSON.stringify(key)} cannot be a file: ${why}`, {
      remedy: 'rename or delete the object',
    })
  }
}

/** Longest file name that common filesystems accept, in bytes. */
const LONGEST_NAME = 255

function whyNoFile(key: string): string | undefined {
  const segments = key.split('/')
  if (segments.some((name) => name === '' || name === '.' || name === '..'))
    return 'a part of it is empty, "." or ".."'
  if (key.includes('\0')) return 'it contains a zero byte'
  if (segments.some((name) => Buffer.byteLength(name) > LONGEST_NAME))
    return `a part of it is longer than ${LONGEST_NAME} bytes`
  return undefined
}

function foldersOf(key: string): string[] {
  const segments = key.split('/')
  return segments.slice(1).map((_, i) => segments.slice(0, i + 1).join('/'))
}
