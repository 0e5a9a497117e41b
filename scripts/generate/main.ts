// npm run generate: makes every generated file from crds/fedsam.dev_federatedjobs.yaml, the one source of the API, and the page
// of each chart's values from its values.yaml; the tables in docs/programs.md, the chart's rules of pod templates, the reference of a
// site's file, and the schema of the values of a site's chart, from the code.
// npm run verify (--check): makes them in memory and fails on a difference, naming the files.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readCrd } from './crd.ts'
import { emitEnvironment } from './environment.ts'
import { emitPermissions, emitRefusals } from './permissions.ts'
import { emitPodTemplates } from './pod-templates.ts'
import { emitReference } from './reference.ts'
import { emitSchema } from './schema.ts'
import { emitSiteValues } from './site-chart.ts'
import { emitSiteFile, emitSiteSchema } from './site-file.ts'
import { emitTypes } from './types.ts'
import { emitValues } from './values.ts'

const CRD = 'crds/fedsam.dev_federatedjobs.yaml'
const PROGRAMS = 'docs/programs.md'
const CHARTS = ['fedsam', 'fedsam-site'] as const
const valuesOf = (chart: string): string => `charts/${chart}/values.yaml`
const TEMPLATE_RULES = 'operator/reconcile/pods/template-rules.ts'
const SITE_SCHEMA = 'site/file/schema.ts'
const BANNER = `Generated from ${CRD} by npm run generate. Do not edit.`

/** Path in the repository to content, for every generated file. */
export function generate(
  crd: string,
  values: Readonly<Record<(typeof CHARTS)[number], string>>,
  programs: string,
): ReadonlyMap<string, string> {
  const schema = readCrd(crd)
  return new Map([
    ['protocol/generated/schema.ts', emitSchema(schema, `// ${BANNER}\n`)],
    ['protocol/generated/federatedjob.ts', emitTypes(schema, `// ${BANNER}\n`)],
    ['docs/reference/federatedjob.md', emitReference(schema, `<!-- ${BANNER} -->\n`)],
    ['docs/reference/site-file.md', emitSiteFile(`<!-- ${BANNER.replace(CRD, SITE_SCHEMA)} -->\n`)],
    ['docs/reference/site.schema.json', emitSiteSchema()],
    [PROGRAMS, emitRefusals(emitPermissions(emitEnvironment(programs)))],
    ['charts/fedsam/files/federatedjobs.yaml', `# ${BANNER}\n${crd}`],
    [
      'charts/fedsam/files/pod-templates.yaml',
      emitPodTemplates(`# ${BANNER.replace(CRD, TEMPLATE_RULES)}\n`),
    ],
    ['charts/fedsam-site/values.schema.json', emitSiteValues()],
    ...CHARTS.map((chart): [string, string] => [
      `charts/${chart}/README.md`,
      emitValues(chart, values[chart], `<!-- ${BANNER.replace(CRD, valuesOf(chart))} -->\n`),
    ]),
  ])
}

/** Paths whose content differs from what would be generated, or that are absent. */
export function staleFiles(root: string): string[] {
  return [...generateFrom(root)]
    .filter(([path, content]) => readIfThere(join(root, path)) !== content)
    .map(([path]) => path)
}

function generateFrom(root: string): ReadonlyMap<string, string> {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  const values = { fedsam: read(valuesOf('fedsam')), 'fedsam-site': read(valuesOf('fedsam-site')) }
  return generate(read(CRD), values, read(PROGRAMS))
}

function writeFiles(root: string): void {
  for (const [path, content] of generateFrom(root)) {
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
    for (const path of stale) console.error(`${path} is not what its source says; run npm run generate`)
    process.exitCode = stale.length === 0 ? 0 : 1
  } else {
    writeFiles(root)
  }
}
