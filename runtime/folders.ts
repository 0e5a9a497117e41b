// Creates folders with their parents. Node's own recursive mkdir never returns on file systems that answer "no such file" for a
// folder that they cannot hold, such as /proc. This one asks for each folder at most twice, so it always returns.
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Creates the folder and its parents. Resolves to the first folder that was missing, undefined if all existed. */
export async function makeFolders(path: string): Promise<string | undefined> {
  try {
    return await makeOne(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
  }
  const first = await makeFolders(dirname(path))
  const own = await makeOne(path)
  return first ?? own
}

/** Undefined if the folder exists. A file of that name is an error. */
async function makeOne(path: string): Promise<string | undefined> {
  try {
    await mkdir(path)
    return path
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    if (!(await stat(path)).isDirectory()) throw error
    return undefined
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
