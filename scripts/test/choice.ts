// Which parts test files need, and which files need no slow part: --fast runs those.
import { reachedFiles } from './imports.ts'
import { neededParts, type Part } from './parts.ts'

/** The parts that at least one of these files needs. */
export function partsOf(root: string, files: readonly string[]): Part[] {
  return neededParts(reachedFiles(root, files, { loadedOnly: true }))
}

/** Files that wait for minutes by their nature, on a line as slow as a real one. */
const LONG = ['test/e2e/bad-line.test.ts']

/** Those of these files that need no Kubernetes, no image and no Flower, and do not wait for minutes. */
export function fastFiles(root: string, files: readonly string[]): string[] {
  const named = new Map<string, readonly string[]>()
  const partsOfOne = (file: string): Part[] =>
    neededParts(reachedFiles(root, [file], { loadedOnly: true, named }))
  return files.filter((file) => !LONG.includes(file) && !partsOfOne(file).some(({ slow }) => slow))
}
