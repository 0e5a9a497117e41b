// npm run generate: makes every generated file from crds/fedsam.dev_federatedjobs.yaml, the one source of the API.
// npm run verify (--check): makes them in memory and fails on a difference, naming the files.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readCrd } from './crd.ts'
import { emitReference } from './reference.ts'
import { emitSchema } from './schema.ts'
import { emitTypes } from './types.ts'

const CRD = 'crds/fedsam.dev_federatedjobs.yaml'
const BANNER = `Generated from ${CRD} by npm run generate. Do not edit.`

/** Path in the repository to content, for every generated file. */
export function generate(crd: string): ReadonlyMap<string, string> {
  const schema = readCrd(crd)
  return new Map([
    ['protocol/generated/schema.ts', emitSchema(schema, `// ${BANNER}\n`)],
    ['protocol/generated/federatedjob.ts', emitTypes(schema, `// ${BANNER}\n`)],
    ['docs/reference/federatedjob.md', emitReference(schema, `<!-- ${BANNER} -->\n`)],
  ])
}

/** Paths whose content differs from what would be generated, or that are absent. */
export function staleFiles(root: string): string[] {
  const files = generate(readFileSync(join(root, CRD), 'utf8'))
  return [...files]
    .filter(([path, content]) => readIfThere(join(root, path)) !== content)
    .map(([path]) => path)
}

function writeFiles(root: string): void {
  for (const [path, content] of generate(readFileSync(join(root, CRD), 'utf8'))) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  if (process.argv.includes('--check')) {
    const stale = staleFiles(root)
    for (const path of stale) console.error(`${path} is not what ${CRD} says; run npm run generate`)
    process.exitCode = stale.length === 0 ? 0 : 1
  } else {
    writeFiles(root)
  }
}
