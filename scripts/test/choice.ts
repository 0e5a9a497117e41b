// Which parts test files need, and which files need no slow part: --fast runs those.
import { type Named, reachedFiles } from './imports.ts'
import { neededParts, type Part } from './parts.ts'

/** The parts that at least one of these files needs. */
export function partsOf(root: string, files: readonly string[]): Part[] {
  return neededParts(reachedFiles(root, files))
}

/** Those of these files that need neither Kubernetes nor an image. */
export function fastFiles(root: string, files: readonly string[]): string[] {
  const named: Named = new Map()
  const needsSlow = (file: string): boolean =>
    neededParts(reachedFiles(root, [file], undefined, named)).some(({ slow }) => slow)
  return files.filter((file) => !needsSlow(file))
}
