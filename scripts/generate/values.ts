// Emits the README.md of a chart: every value with its default and meaning, from values.yaml and the comments in it that begin with
// `# --`. A comment is above the value that it describes, and covers everything below that value.
import { parse } from 'yaml'

interface Row {
  readonly path: string
  readonly meaning: string
}

/** What the page of each chart begins with. */
const INTRO = {
  fedsam: [
    'Installs the operator of FederatedJobs: `helm install fedsam charts/fedsam`. With `--set quickstart.enabled=true` it also installs',
    'the servers that a first job needs, and its notes contain a job to paste. Step by step: `docs/how-to-install.md`.',
  ],
  'fedsam-site': [
    "Runs the agent of a site in the site's own cluster. Step by step, with an example of the values: `docs/how-to-site-in-a-cluster.md`.",
    'The values of `site` are the fields of [the file of a site](../../docs/reference/site-file.md), but for those that name a path.',
  ],
} as const

/** The page, in Markdown. Throws where a value has no comment, so that none is without meaning. */
export function emitValues(chart: keyof typeof INTRO, values: string, banner: string): string {
  const defaults = parse(values) as unknown
  const rows = readRows(values)
  const silent = leavesOf(defaults, '').find(
    (leaf) => !rows.some(({ path }) => leaf === path || leaf.startsWith(`${path}.`)),
  )
  if (silent !== undefined) throw new Error(`values.yaml: ${silent} has no comment that begins with # --`)
  const lines = rows.map(({ path, meaning }) => {
    return `| \`${path}\` | \`${JSON.stringify(valueAt(defaults, path))}\` | ${meaning.replaceAll('|', '\\|')} |`
  })
  const intro = [`# The chart ${chart}`, '', ...INTRO[chart], '']
  return `${banner}${[...intro, '| value | default | meaning |', '| --- | --- | --- |', ...lines].join('\n')}\n`
}

/** Comments and the keys under them; only block style is looked into, two spaces a level. */
function readRows(values: string): Row[] {
  const rows: Row[] = []
  const above: string[] = []
  let meaning: string | undefined
  for (const line of values.split('\n')) {
    const comment = /^ *# -- (.*)$/.exec(line)?.[1]
    const key = /^( *)([A-Za-z][A-Za-z0-9]*):/.exec(line)
    if (comment !== undefined) meaning = comment
    if (!key) continue
    above.length = key[1]!.length / 2
    above.push(key[2]!)
    if (meaning !== undefined) rows.push({ path: above.join('.'), meaning })
    meaning = undefined
  }
  return rows
}

function leavesOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path]
  const entries = Object.entries(value)
  if (entries.length === 0) return [path]
  return entries.flatMap(([name, field]) => leavesOf(field, path === '' ? name : `${path}.${name}`))
}

function valueAt(values: unknown, path: string): unknown {
  return path.split('.').reduce((value, name) => (value as Record<string, unknown>)[name], values)
}
