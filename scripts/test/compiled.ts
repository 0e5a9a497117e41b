// What Node compiled of the sources, kept for the next process. A test file and the programs that it starts load hundreds of TypeScript
// files; without the cache each process strips and compiles them again, which costs about a third of the whole run's processor time.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from './durations.ts'

/** Entries that are kept. Each edit of a file adds one, and Node removes none; a checkout with its packages has about 2,000. */
const MOST_ENTRIES = 20_000

/** The folder for NODE_COMPILE_CACHE. It is emptied when it has too many entries; the next run fills it again. */
export async function compileCache(
  env: NodeJS.ProcessEnv = process.env,
  most = MOST_ENTRIES,
): Promise<string> {
  const folder = env.NODE_COMPILE_CACHE || join(cacheFolder(env), 'compiled-tests')
  const entries = await readdir(folder, { recursive: true }).catch(() => [])
  // A cache that cannot be emptied still works.
  if (entries.length > most) await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  return folder
}
