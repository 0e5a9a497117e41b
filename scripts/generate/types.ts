// Emits protocol/generated/federatedjob.ts: each named sub-object twice under spec, as users write it and, with the prefix
// Complete, with its defaults filled in (a field with a default is then required). Status has one form. Each text appears once.
import { isDeepStrictEqual } from 'node:util'
import type { DescribedSchema } from './crd.ts'
import { COMPLETED, SAME_AS, TYPE_NAMES } from './names.ts'

type Form = 'Written' | 'Complete'

/** TypeScript source of all types. Throws where a named place is missing or two places of one name differ. */
export function emitTypes(root: DescribedSchema, banner: string): string {
  for (const [place, model] of Object.entries(SAME_AS)) {
    const same = isDeepStrictEqual(at(root, place).properties, at(root, model).properties)
    if (!same) throw new Error(`${place} does not have the shape of ${model}`)
  }
  const interfaces = Object.keys(TYPE_NAMES).flatMap((path) => {
    const written = emitInterface(path, at(root, path), 'Written')
    return path.startsWith('spec') ? [written, emitInterface(path, at(root, path), 'Complete')] : [written]
  })
  return `${banner}${interfaces.join('\n')}`
}

/** The node at a path such as "spec.partitions[].dataset". */
export function at(root: DescribedSchema, path: string): DescribedSchema {
  let node: DescribedSchema | undefined = root
  for (const step of path.split('.')) {
    node = node?.properties?.[step.replace('[]', '')]
    if (step.endsWith('[]')) node = node?.items
  }
  if (!node) throw new Error(`the CRD has no ${path}`)
  return node
}

function emitInterface(path: string, schema: DescribedSchema, form: Form): string {
  const name = typeName(path, form)
  return [
    form === 'Complete'
      ? `/** ${typeName(path, 'Written')} with its defaults. */`
      : `/** ${schema.description} */`,
    `export interface ${name} ${emitFields(path, schema, form, '')}`,
    '',
  ].join('\n')
}

function emitFields(path: string, schema: DescribedSchema, form: Form, indent: string): string {
  const required = new Set(schema.required ?? [])
  const inner = `${indent}  `
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const place = `${path}.${name}`
    const filled = form === 'Complete' && (field.default !== undefined || COMPLETED.has(place))
    const mark = required.has(name) || filled ? '' : '?'
    const type = emitType(place, field, form, inner)
    const comment = form === 'Written' ? [`${inner}/** ${field.description} */`] : []
    return [...comment, `${inner}readonly ${name}${mark}: ${type}`]
  })
  return ['{', ...fields, `${indent}}`].join('\n')
}

function emitType(path: string, schema: DescribedSchema, form: Form, indent: string): string {
  const type = emitPlainType(path, schema, form, indent)
  return schema.nullable ? `${type} | null` : type
}

function emitPlainType(path: string, schema: DescribedSchema, form: Form, indent: string): string {
  if (schema['x-kubernetes-int-or-string']) return 'number | string'
  if (schema.enum) return schema.enum.map((word) => `'${word}'`).join(' | ')
  if (schema.type === 'array' && schema.items) {
    const item = emitType(`${path}[]`, schema.items, form, indent)
    return /[ |{]/.test(item) ? `readonly (${item})[]` : `readonly ${item}[]`
  }
  if (schema.type === 'object') return emitObject(path, schema, form, indent)
  const scalars = { string: 'string', boolean: 'boolean', integer: 'number', number: 'number' }
  const scalar = scalars[schema.type as keyof typeof scalars]
  if (!scalar) throw new Error(`${path}: the generator does not know type ${schema.type}`)
  return scalar
}

function emitObject(path: string, schema: DescribedSchema, form: Form, indent: string): string {
  const place = SAME_AS[path] ?? path
  if (TYPE_NAMES[place]) return typeName(place, form)
  if (schema.additionalProperties) {
    return `Readonly<Record<string, ${emitType(`${path}.*`, schema.additionalProperties, form, indent)}>>`
  }
  if (schema.properties) return emitFields(path, schema, form, indent)
  if (schema['x-kubernetes-preserve-unknown-fields']) return 'Readonly<Record<string, unknown>>'
  if (schema.maxProperties === 0) return 'Readonly<Record<string, never>>'
  throw new Error(`${path}: an object without fields; say which it has`)
}

function typeName(path: string, form: Form): string {
  const prefix = form === 'Complete' && path.startsWith('spec') ? 'Complete' : ''
  return `${prefix}${TYPE_NAMES[path]}`
}
