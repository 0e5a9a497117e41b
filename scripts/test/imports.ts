// The files that a file reaches, by its import lines and by each path in quotes, because tests start programs by their paths.
// A path in quotes counts in a comment and in a message too, so the answer may hold too many files, and never too few. Each file is
// read once.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

const TYPE_IMPORT = /^(?:import|export) type [^'"]*'[^']*'/gm
const PATH_IN_QUOTES = /['"`}]([\w@#./-]+\.(?:ts|js|mjs))['"`]/g
/** Any file with tests of its own: what those tests need is no need of the file that names it. */
const TEST = /\.test\.ts$/
/** Names each part in order to build it. A test that imports it builds none. */
const BUILDER = 'scripts/test/parts.ts'

export interface ReachOptions {
  /** Returns a file's text. */
  readonly read?: (file: string) => string
  /** Leaves out imports of types: Node removes them, so they load no file. */
  readonly loadedOnly?: boolean
  /** The files that each file names. A caller that asks often passes one map, so that each file is read once. */
  readonly named?: Map<string, readonly string[]>
}

/** All files, relative to `root`, that these files reach, themselves included. */
export function reachedFiles(
  root: string,
  files: readonly string[],
  options: ReachOptions = {},
): Set<string> {
  const { read = (file) => readFileSync(join(root, file), 'utf8'), named = new Map() } = options
  const textOf = (file: string): string =>
    options.loadedOnly ? read(file).replace(TYPE_IMPORT, '') : read(file)
  const reached = new Set(files)
  // A Set visits what is added while it is walked.
  for (const file of reached) {
    if (!named.has(file)) named.set(file, file === BUILDER ? [] : namedBy(root, file, textOf(file)))
    for (const target of named.get(file)!) reached.add(target)
  }
  return reached
}

/** The files that a file names, unless they are tests. */
function namedBy(root: string, file: string, text: string): string[] {
  const paths = [...text.matchAll(PATH_IN_QUOTES)].map(([, path]) => path!)
  const targets = paths.flatMap((path) => candidates(root, file, path))
  return targets.filter((target) => !TEST.test(target) && existsSync(join(root, target)))
}

/** The places where a path may point to: relative to the file, and relative to the root. */
function candidates(root: string, file: string, path: string): string[] {
  if (path.startsWith('#')) return [path.slice(1)]
  const places = [join(root, dirname(file), path), join(root, path)]
  return places.map((place) => relative(root, normalize(place))).filter((place) => !place.startsWith('..'))
}
