// Removes from an image's node_modules the packages that its programs never load: `node prune-packages.ts [NAME...]` in the folder of
// package.json. NAME is a package of package.json that these programs do not use. What stays is what the others need, without the
// dependencies below, which only installers and command lines load. Scanners report known faults in some of those.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Dependencies that a package names and does not load while it computes. */
const NEVER_LOADED: Readonly<Record<string, readonly string[]>> = {
  // The addon's installer. The images compile the addon themselves.
  '@tensorflow/tfjs-node-gpu': ['adm-zip', 'https-proxy-agent', 'rimraf', 'tar'],
  '@mapbox/node-pre-gyp': ['https-proxy-agent', 'make-dir', 'node-fetch', 'rimraf', 'tar'],
  // A command line, and what old browsers need.
  '@tensorflow/tfjs': ['argparse', 'chalk', 'core-js', 'regenerator-runtime', 'yargs'],
}
/** Types: nothing loads them. */
const TYPES = /^@(types|webgpu)\//

interface Manifest {
  readonly name?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The folders below `root`/node_modules that no package of package.json needs, except through the packages in `without`. */
export function unusedPackages(root: string, without: readonly string[]): string[] {
  const used = new Set<string>()
  const visit = (folder: string, skipped: readonly string[]): void => {
    for (const name of dependenciesOf(folder, skipped)) {
      const found = resolved(root, folder, name)
      if (found === undefined || used.has(found)) continue
      used.add(found)
      visit(found, NEVER_LOADED[name] ?? [])
    }
  }
  visit(root, without)
  return packagesIn(join(root, 'node_modules')).filter((folder) => !used.has(folder))
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

function dependenciesOf(folder: string, skipped: readonly string[]): string[] {
  const { dependencies, optionalDependencies } = manifestOf(folder)
  const names = Object.keys({ ...dependencies, ...optionalDependencies })
  return names.filter((name) => !skipped.includes(name) && !TYPES.test(name))
}

/** As Node finds a package: in the nearest node_modules above the folder. */
function resolved(root: string, folder: string, name: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const found = join(at, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return found
    if (at === root) return undefined
  }
}

/** Every package of a node_modules, and of those within packages. */
function packagesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'))
  const scoped = names.flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(folder, name)).map((inner) => join(name, inner)) : [name],
  )
  return scoped
    .map((name) => join(folder, name))
    .filter((found) => existsSync(join(found, 'package.json')))
    .flatMap((found) => [found, ...packagesIn(join(found, 'node_modules'))])
}

if (import.meta.main) {
  const unused = unusedPackages(process.cwd(), process.argv.slice(2))
  for (const folder of unused) rmSync(folder, { recursive: true, force: true })
  // npm's own list of what it installed is not true any more.
  rmSync('node_modules/.package-lock.json', { force: true })
  process.stdout.write(`removed ${unused.length} packages that no program of this image loads\n`)
}
