// Fetches a partition's data from its source to a folder, once. Guarantees: it writes the marker beside the folder last, so a
// reader of the marker finds all files; it resumes after an interruption; once the folder is complete, it changes no file.

import { appendFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sha256 } from '#protocol/digest.ts'
import { completeMarker } from '#protocol/seam-files.ts'
import type { Listed, PrefixReader } from '#transport/store/s3/prefix.ts'
import { checkKeys, planFetch, readJournal, readManifest } from './plan.ts'

/** Objects that are fetched at the same time. */
const PARALLEL = 4

export interface SourceOptions {
  readonly uri: string
  readonly folder: string
  readonly source: Pick<PrefixReader, 'list' | 'fetch'>
  readonly log: (line: string) => void
}

/** Resolves when the folder holds the source's files and the marker exists. Throws BadData, StorageUnreachable. */
export async function fetchSource(options: SourceOptions): Promise<void> {
  const { uri, folder, source, log } = options
  const marker = completeMarker(folder)
  const journal = `${folder}.journal`
  // Partial files are beside the folder, so that no reader takes them for data.
  const parts = `${folder}.parts`
  const manifest = readManifest(await textOf(marker))
  // The trainer may be using the data: a complete folder stays as it is, even if the source has changed.
  if (manifest?.uri === uri && (await areThere(folder, manifest.objects))) {
    return log(`${uri}: ${manifest.objects.length} files are already in place`)
  }
  await rm(marker, { force: true })
  const listed = await source.list()
  checkKeys(uri, listed)
  const had = [...(manifest?.objects ?? []), ...readJournal(await textOf(journal))]
  const plan = planFetch(listed, await presentOf(folder, had))
  for (const key of plan.remove) await rm(join(folder, key), { force: true })
  for (const path of [folder, parts]) await mkdir(path, { recursive: true })
  // The journal keeps only unchanged files: after a kill, no half-replaced file counts as fetched.
  await writeFile(journal, plan.keep.map(lineOf).join(''))
  const bytes = plan.fetch.reduce((sum, { size }) => sum + size, 0)
  log(`${uri}: ${listed.length} files, ${plan.fetch.length} of them to fetch (${bytes} bytes)`)
  await eachOf(plan.fetch, async (object) => {
    const file = join(folder, object.key)
    await mkdir(dirname(file), { recursive: true })
    const partial = join(parts, sha256(Buffer.from(JSON.stringify([object.key, object.etag]))))
    await source.fetch(object, { file, partial })
    await appendFile(journal, lineOf(object))
  })
  const draft = `${marker}.draft`
  await writeFile(draft, JSON.stringify({ uri, objects: listed }))
  await rename(draft, marker)
  for (const path of [journal, parts]) await rm(path, { recursive: true, force: true })
  log(`${uri}: complete`)
}

const lineOf = (object: Listed): string => `${JSON.stringify(object)}\n`

const textOf = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')

async function areThere(folder: string, objects: readonly Listed[]): Promise<boolean> {
  return (await presentOf(folder, objects)).length === objects.length
}

/** The journal's objects whose files have the listed size. */
async function presentOf(folder: string, objects: readonly Listed[]): Promise<Listed[]> {
  const present: Listed[] = []
  for (const object of objects) {
    const found = await stat(join(folder, object.key)).catch(() => undefined)
    if (found?.isFile() && found.size === object.size) present.push(object)
  }
  return present
}

/** Runs a few at a time. After the first error it starts no more, and waits for those that run. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  let failed = false
  const lane = async (): Promise<void> => {
    while (!failed && next < items.length) {
      const item = items[next++]!
      try {
        await work(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: PARALLEL }, lane))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
