// The files that a file reaches, by its import lines and by the paths that it names in strings ('cli/fedsam.js',
// new URL('./child.ts', import.meta.url)). Names in strings count, because tests start programs by path.
// It may report too much, for example a path in a message. It reads each file once.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

const PATH_IN_QUOTES = /['"`}]([\w@#./-]+\.(?:ts|js|mjs))['"`]/g
/** Any file with tests of its own: what those tests need is no need of the file that names it. */
const TEST = /\.test\.ts$/

/** All files, relative to `root`, that these files reach, themselves included. `read` returns a file's text. */
export function reachedFiles(
  root: string,
  files: readonly string[],
  read: (file: string) => string = (file) => readFileSync(join(root, file), 'utf8'),
): Set<string> {
  const reached = new Set(files)
  // A Set visits what is added while it is walked.
  for (const file of reached) {
    for (const [, path] of read(file).matchAll(PATH_IN_QUOTES)) {
      for (const target of candidates(root, file, path!)) {
        if (!TEST.test(target) && existsSync(join(root, target))) reached.add(target)
      }
    }
  }
  return reached
}

/** The places where a path may point to: relative to the file, and relative to the root. */
function candidates(root: string, file: string, path: string): string[] {
  if (path.startsWith('#')) return [path.slice(1)]
  const places = [join(root, dirname(file), path), join(root, path)]
  return places.map((place) => relative(root, normalize(place))).filter((place) => !place.startsWith('..'))
}
