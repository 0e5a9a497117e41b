// Makes the installable package: Node does not strip types under node_modules, so the programs are emitted as JavaScript into a
// staging folder, with what they read beside them, and packed there. Prints the archive's path: node scripts/pack.ts FOLDER
import { execFile } from 'node:child_process'
import { chmod, cp, glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PRODUCT } from './folders.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Paths that are copied unchanged. */
const COPIED = [
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'crds',
  'docs',
  'examples/brain-tissue.yaml',
  'examples/fedsam-site.service',
] as const

const NOT_SHIPPED = /\.test\.ts$/

const run = promisify(execFile)

interface PackageJson {
  imports: Record<string, string>
  bin: Record<string, string>
  scripts?: unknown
  devDependencies?: unknown
  private?: boolean
  files?: string[]
}

/** Packs into `folder`; resolves to the archive's path. */
export async function pack(folder: string): Promise<string> {
  const stage = await mkdtemp(join(tmpdir(), 'fedsam-pack-'))
  try {
    await emit(stage)
    for (const name of COPIED) await cp(join(ROOT, name), join(stage, name), { recursive: true })
    await writeFile(join(stage, 'package.json'), JSON.stringify(await publishedPackage(), null, 2))
    await mkdir(folder, { recursive: true })
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', resolve(folder)], {
      cwd: stage,
    })
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
    return join(resolve(folder), filename)
  } finally {
    await rm(stage, { recursive: true, force: true })
  }
}

async function emit(stage: string): Promise<void> {
  for await (const file of glob(
    PRODUCT.map((folder) => `${folder}/**/*.{ts,js}`),
    { cwd: ROOT },
  )) {
    if (NOT_SHIPPED.test(file)) continue
    const target = join(stage, file.replace(/\.ts$/, '.js'))
    await mkdir(dirname(target), { recursive: true })
    const source = stripTypeScriptTypes(await readFile(join(ROOT, file), 'utf8'))
    // Relative names of our own files, in imports and in `new URL(…, import.meta.url)`; '#' names go through package.json.
    await writeFile(target, source.replace(/(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g, '$1$2.js$1'))
  }
  await chmod(join(stage, 'cli/fedsam.js'), 0o755)
}

/** The package as it is installed: entries and subpath imports name the emitted files. */
async function publishedPackage(): Promise<PackageJson> {
  const source = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as PackageJson
  const { scripts: _scripts, devDependencies: _dev, private: _private, ...rest } = source
  return {
    ...rest,
    bin: Object.fromEntries(
      Object.entries(source.bin).map(([name, entry]) => [name, entry.replace(/\.ts$/, '.js')]),
    ),
    imports: Object.fromEntries(Object.entries(source.imports).map(emittedImport)),
  }
}

/** A folder's pattern or the alias of one file (an older name of it), with the emitted file in place of the source. */
function emittedImport([name, path]: [string, string]): [string, string] {
  return name.endsWith('/*') ? [`${name}.ts`, `${path}.js`] : [name, path.replace(/\.ts$/, '.js')]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${await pack(process.argv[2] ?? '.')}\n`)
}
