// Emits the two forms of the schema of a site's file: docs/reference/site-file.md for people, and docs/reference/site.schema.json for
// editors (JSON Schema, draft 7).
import { type DescribedField, SITE_FILE_SCHEMA } from '#site/file/schema.ts'

/** The reference page, in Markdown: one row per field, in the order of the schema. */
export function emitSiteFile(banner: string): string {
  return [
    `${banner}# The file of a site`,
    '',
    SITE_FILE_SCHEMA.description,
    '',
    'A field in **bold** is required. In a name, `*` is a name that you choose and `[]` is an item of a list. `fedsam site check FILE`',
    'reports every mistake with its line and column. [How to run a site](../how-to-site.md) has an example.',
    '',
    '| field | type | meaning |',
    '| --- | --- | --- |',
    ...rowsOf(SITE_FILE_SCHEMA, ''),
    '',
  ].join('\n')
}

function rowsOf(schema: DescribedField, prefix: string): string[] {
  const required = new Set(schema.required ?? [])
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${prefix}${name}`
    const label = required.has(name) ? `**\`${path}\`**` : `\`${path}\``
    const row = `| ${label} | ${typeOf(field)} | ${cell(field.description)} |`
    return [row, ...inner(field, path)]
  })
}

/** The rows of the fields inside a field. */
function inner(field: DescribedField, path: string): string[] {
  if (field.items?.properties) return rowsOf(field.items, `${path}[].`)
  if (field.additionalProperties?.properties) return rowsOf(field.additionalProperties, `${path}.*.`)
  return rowsOf(field, `${path}.`)
}

function typeOf(field: DescribedField): string {
  if (field.enum) return field.enum.map((word) => `\`${word}\``).join(' ')
  if (field.items) return `list of ${typeOf(field.items)}`
  if (field.additionalProperties) return `map of ${typeOf(field.additionalProperties)}`
  if (field.minimum !== undefined) return `${field.type} ${field.minimum} to ${field.maximum}`
  if (field.type === undefined) throw new Error('a field of the site file has no type')
  return field.type
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

/** The JSON Schema. */
export function emitSiteSchema(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'FedSAM site',
    ...draft7(SITE_FILE_SCHEMA),
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** Kubernetes' own keywords have no meaning there. An object without free names refuses unknown fields. */
export function draft7(field: DescribedField): Record<string, unknown> {
  const { properties, items, additionalProperties, ...rest } = field
  const kept = Object.entries(rest).filter(([keyword]) => !keyword.startsWith('x-kubernetes-'))
  const fields = Object.entries(properties ?? {}).map(([name, one]) => [name, draft7(one)])
  const closed = { additionalProperties: additionalProperties ? draft7(additionalProperties) : false }
  return {
    ...Object.fromEntries(kept),
    ...(properties ? { properties: Object.fromEntries(fields) } : {}),
    ...(items ? { items: draft7(items) } : {}),
    ...(field.type === 'object' ? closed : {}),
  }
}
