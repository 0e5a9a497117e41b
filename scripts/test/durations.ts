// How long test files and builds of parts took on this machine, in seconds: a file in the user's cache folder, so that the next
// `npm test` can say what to expect. Guarantees: a file that is absent, damaged or not writable costs the figures and nothing else.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import * as v from 'valibot'

const SECONDS = v.record(v.string(), v.pipe(v.number(), v.minValue(0)))
const DURATIONS = v.object({ parts: SECONDS, files: SECONDS })

/** Seconds by the name of a part, and by the path of a test file. */
export interface Durations {
  readonly parts: Readonly<Record<string, number>>
  readonly files: Readonly<Record<string, number>>
}

export const NO_DURATIONS: Durations = { parts: {}, files: {} }

/** The folder in which parts are kept. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fedsam')
}

export function durationsFile(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(env), 'test-durations.json')
}

export async function readDurations(file: string): Promise<Durations> {
  try {
    return v.parse(DURATIONS, JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return NO_DURATIONS
  }
}

/** Adds these to the file. Two runs that end at once may lose the figures of one. */
export async function addDurations(file: string, news: Durations): Promise<void> {
  const old = await readDurations(file)
  const all = { parts: { ...old.parts, ...news.parts }, files: { ...old.files, ...news.files } }
  const draft = `${file}.${process.pid}`
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(draft, `${JSON.stringify(all, null, 1)}\n`)
    await rename(draft, file)
  } catch {
    // A cache that cannot be written: the next run estimates by the committed figures.
  }
}
