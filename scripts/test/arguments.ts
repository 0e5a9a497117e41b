// The command line of `npm test`: the option --fast, and beginnings of paths that choose test files. Guarantees: a mistake ends in a
// UsageError that says what `npm test` knows. Pure; the files are an argument.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from '#cli/commands/command.ts'
import { listed } from '#protocol/text.ts'

export interface TestArguments {
  readonly fast: boolean
  readonly help: boolean
  /** Beginnings of paths relative to the root; none means all tests. */
  readonly beginnings: readonly string[]
}

export const USAGE = `usage: npm test -- [--fast] [FOLDER or FILE]...

  npm test                       every test that this machine can run
  npm test -- --fast             only tests that need no Kubernetes, no image and no Flower
  npm test -- worker/data        tests whose path begins so; only the parts that they need are built
  npm test -- --fast coordinator both`

/** `root`: the checkout. `env`: npm keeps options that come before its "--" to itself, and leaves them there. */
export function readTestArguments(
  args: readonly string[],
  root: string,
  env: Readonly<Record<string, string | undefined>>,
): TestArguments {
  if (env.npm_config_fast === 'true')
    throw new UsageError('npm kept --fast to itself: write npm test -- --fast, with -- between them')
  const options = { fast: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const { fast = false, help = false } = values
    return { fast, help, beginnings: positionals.map((path) => beginningOf(path, root)) }
  } catch (error) {
    const [what] = (error as Error).message.split('. ')
    throw new UsageError(
      `${what}; npm test knows --fast, --help, and paths of test files or of their folders`,
    )
  }
}

/** "./worker", "/home/me/fedsam/worker" and "worker" choose the same files. */
function beginningOf(path: string, root: string): string {
  const below = resolve(root, path).slice(resolve(root).length + 1)
  return resolve(root, path).startsWith(`${resolve(root)}/`) ? below : path
}

/** The files that these beginnings choose, in their order. Throws UsageError for a beginning that chooses none. */
export function chooseFiles(files: readonly string[], beginnings: readonly string[]): string[] {
  if (beginnings.length === 0) return [...files]
  const none = beginnings.find((beginning) => !files.some((file) => file.startsWith(beginning)))
  if (none !== undefined)
    throw new UsageError(`no test file has a path that begins with ${none}; ${advice(files, none)}`)
  return files.filter((file) => beginnings.some((beginning) => file.startsWith(beginning)))
}

function advice(files: readonly string[], beginning: string): string {
  const test = beginning.replace(/\.ts$/, '.test.ts')
  if (files.includes(test)) return `the tests of ${beginning} are in ${test}`
  const folder = `${beginning.split('/')[0]}/`
  const inFolder = files.filter((file) => file.startsWith(folder)).map((file) => foldersOf(file).at(-1)!)
  const folders = inFolder.length > 0 ? inFolder : files.map((file) => foldersOf(file)[0]!)
  return `tests are in ${listed([...new Set(folders)], 20)}`
}

/** "a/", "a/b/" of "a/b/c.test.ts". */
function foldersOf(file: string): string[] {
  const names = file.split('/').slice(0, -1)
  return names.map((_, i) => `${names.slice(0, i + 1).join('/')}/`)
}
