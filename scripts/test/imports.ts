// The files that a file reaches, by its import lines and by each path in quotes, because tests start programs by their paths.
// A path in quotes counts in a comment and in a message too, so the answer may hold too many files, and never too few. Each file is
// read once.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

/** Node removes an import of types; it loads no file. */
const TYPE_IMPORT = /^(?:import|export) type [^'"]*'[^']*'/gm
const PATH_IN_QUOTES = /['"`}]([\w@#./-]+\.(?:ts|js|mjs))['"`]/g
/** Any file with tests of its own: what those tests need is no need of the file that names it. */
const TEST = /\.test\.ts$/
/** Names each part in order to build it. A test that imports it builds none. */
const BUILDER = 'scripts/test/parts.ts'

/** What each file names, by its path: kept by a caller that asks for many files, so that each is read once. */
export type Named = Map<string, readonly string[]>

/** All files, relative to `root`, that these files reach, themselves included. `read` returns a file's text. */
export function reachedFiles(
  root: string,
  files: readonly string[],
  read: (file: string) => string = (file) => readFileSync(join(root, file), 'utf8'),
  named: Named = new Map(),
): Set<string> {
  const reached = new Set(files)
  // A Set visits what is added while it is walked.
  for (const file of reached) {
    if (!named.has(file)) named.set(file, file === BUILDER ? [] : namedBy(root, file, read(file)))
    for (const target of named.get(file)!) reached.add(target)
  }
  return reached
}

/** The files that a file names, unless they are tests. */
function namedBy(root: string, file: string, text: string): string[] {
  const paths = [...text.replace(TYPE_IMPORT, '').matchAll(PATH_IN_QUOTES)].map(([, path]) => path!)
  const targets = paths.flatMap((path) => candidates(root, file, path))
  return targets.filter((target) => !TEST.test(target) && existsSync(join(root, target)))
}

/** The places where a path may point to: relative to the file, and relative to the root. */
function candidates(root: string, file: string, path: string): string[] {
  if (path.startsWith('#')) return [path.slice(1)]
  const places = [join(root, dirname(file), path), join(root, path)]
  return places.map((place) => relative(root, normalize(place))).filter((place) => !place.startsWith('..'))
}
