// Emits docs/reference/federatedjob.md: every field with type, default, bounds and meaning, and every rule in words.
import type { DescribedSchema } from './crd.ts'
import { SAME_AS, TYPE_NAMES } from './names.ts'
import { at } from './types.ts'

/** The reference page, in Markdown. */
export function emitReference(root: DescribedSchema, banner: string): string {
  const sections = Object.keys(TYPE_NAMES).map((path) => emitSection(path, at(root, path)))
  const intro = [
    '# FederatedJob (`fedsam.dev/v1alpha1`)',
    '',
    root.description,
    '',
    'Short names `fj` and `fedjob`, category `fedsam`. A field in **bold** is required. `fedsam run` reads the same fields by the',
    'same rules, and ignores the fields for a cluster alone (`storage`, `messaging`, `workers`, `coordinator`, `source`).',
    '',
    `\`metadata.name\`: ${at(root, 'metadata.name').description}`,
    '',
    ...emitRules('', root),
  ]
  return `${banner}${intro.join('\n')}\n${sections.join('\n')}`
}

function emitSection(path: string, schema: DescribedSchema): string {
  const rows = rowsOf(path, schema, '')
  const table = ['| field | type | default | meaning |', '| --- | --- | --- | --- |', ...rows]
  return [`## \`${path}\``, '', schema.description ?? '', '', ...table, '', ...emitRules(path, schema)].join(
    '\n',
  )
}

/** Rows of a section; fields of nested objects without a section of their own follow under dotted names. */
function rowsOf(path: string, schema: DescribedSchema, prefix: string): string[] {
  const required = new Set(schema.required ?? [])
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const place = `${path}.${name}`
    const label = required.has(name) ? `**\`${prefix}${name}\`**` : `\`${prefix}${name}\``
    const row = `| ${label} | ${typeText(place, field)} | ${defaultText(field)} | ${cell(field.description ?? '')} |`
    return [row, ...(sectionOf(place) ? [] : rowsOf(place, field, `${prefix}${name}.`))]
  })
}

/** The place whose section describes this one. */
function sectionOf(path: string): string | undefined {
  const place = SAME_AS[path] ?? path
  return TYPE_NAMES[place] ? place : undefined
}

function emitRules(path: string, schema: DescribedSchema): string[] {
  const lines = rulesOf(path, schema)
  return lines.length === 0 ? [] : ['The API server and `fedsam` refuse a job where:', '', ...lines, '']
}

function rulesOf(path: string, schema: DescribedSchema): string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(({ fieldPath, message }) => {
    const place = `${path}${fieldPath ?? ''}`.replace(/^\./, '')
    return `- \`${place}\` ${message.split('; ')[0]}`
  })
  if (path === '') return own
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => !sectionOf(`${path}.${name}`))
  return [...own, ...fields.flatMap(([name, field]) => rulesOf(`${path}.${name}`, field))]
}

function typeText(path: string, schema: DescribedSchema): string {
  const place = sectionOf(path)
  if (place) return link(place)
  if (schema['x-kubernetes-int-or-string']) return 'quantity'
  if (schema.enum) return schema.enum.map((word) => `\`${word}\``).join(' ')
  if (schema.items) return `list of ${typeText(`${path}[]`, schema.items)}`
  if (schema.additionalProperties) return `map of ${typeText(`${path}.*`, schema.additionalProperties)}`
  return `${schema.type}${rangeText(schema)}`
}

function rangeText({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: DescribedSchema): string {
  if (minimum === undefined || maximum === undefined) return ''
  return ` ${exclusiveMinimum ? 'above ' : ''}${minimum} to ${exclusiveMaximum ? 'below ' : ''}${maximum}`
}

function defaultText(schema: DescribedSchema): string {
  return schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``
}

function link(path: string): string {
  return `[${TYPE_NAMES[path]}](#${path.toLowerCase().replace(/[^a-z0-9]/g, '')})`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}
