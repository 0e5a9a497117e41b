// The product's source files as the architecture tests read them: their text without comments, their head, and their imports.
import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'

export interface Import {
  readonly file: string
  /** A file of ours relative to the root, a package name, or node:… */
  readonly target: string
  readonly typeOnly: boolean
}

export interface SourceFile {
  readonly file: string
  readonly text: string
  /** The comment lines at the top. */
  readonly head: string
  readonly imports: readonly Import[]
}

/** The files of these folders, sorted by path. */
export async function sourceFiles(folders: readonly string[]): Promise<SourceFile[]> {
  const files: string[] = []
  for await (const file of glob(folders.map((folder) => `${folder}/**/*.ts`))) files.push(file)
  return files.sort().map((file) => {
    const text = readFileSync(file, 'utf8')
    return { file, text, head: /^(?:\/\/.*\n)+/.exec(text)?.[0] ?? '', imports: importsOf(file, text) }
  })
}

export const isTest = (file: string): boolean => file.endsWith('.test.ts')
export const isOurs = (target: string): boolean => /^[a-z]+\/.*\.ts$/.test(target)
export const folderOf = (path: string): string => path.split('/')[0]!

/** The code of a file: its text without comments. */
export function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function importsOf(file: string, text: string): Import[] {
  const found: Import[] = []
  const statement = /^(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm
  for (const [, typeOnly, specifier] of text.matchAll(statement)) {
    found.push({ file, target: resolve(file, specifier!), typeOnly: typeOnly !== undefined })
  }
  for (const [, specifier] of text.matchAll(/\b(?:import|require)\('([^']+)'\)/g)) {
    found.push({ file, target: resolve(file, specifier!), typeOnly: false })
  }
  return found
}

function resolve(file: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1)
  if (specifier.startsWith('.')) return normalize(join(dirname(file), specifier))
  if (specifier.startsWith('node:')) return specifier
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Groups of files that import each other in a circle, types included; empty without a circle. Tarjan's algorithm. */
export function importCycles(files: readonly SourceFile[]): string[][] {
  const targets = new Map(files.map(({ file, imports }) => [file, imports.map(({ target }) => target)]))
  const index = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const cycles: string[][] = []
  const visit = (file: string): number => {
    const own = index.size
    index.set(file, own)
    lowest.set(file, own)
    open.push(file)
    for (const target of targets.get(file)!.filter((name) => targets.has(name))) {
      const reached = !index.has(target) ? visit(target) : open.includes(target) ? index.get(target)! : own
      lowest.set(file, Math.min(lowest.get(file)!, reached))
    }
    if (lowest.get(file) === own) {
      const group = open.splice(open.indexOf(file))
      if (group.length > 1) cycles.push(group.sort())
    }
    return lowest.get(file)!
  }
  for (const { file } of files) if (!index.has(file)) visit(file)
  return cycles
}
