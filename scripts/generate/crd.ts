// Reads the CRD as the generators use it: each node checked against the subset of protocol/structural-schema.ts. A keyword that nobody here
// knows throws, so that nothing in the CRD is silently without effect on the command line.
import { parse } from 'yaml'
import type { StructuralSchema } from '#protocol/structural-schema.ts'

/** A schema node with its text. */
export interface DescribedSchema extends StructuralSchema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, DescribedSchema>>
  readonly additionalProperties?: DescribedSchema
  readonly items?: DescribedSchema
}

const KEYWORDS: ReadonlySet<string> = new Set([
  ...['type', 'format', 'nullable', 'default', 'enum', 'description', 'pattern'],
  ...['properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties'],
  ...['items', 'minItems', 'maxItems', 'minLength', 'maxLength'],
  ...['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'],
  ...['x-kubernetes-int-or-string', 'x-kubernetes-preserve-unknown-fields', 'x-kubernetes-validations'],
  ...['x-kubernetes-list-type', 'x-kubernetes-list-map-keys'],
])
const RULE_KEYWORDS: ReadonlySet<string> = new Set([
  'rule',
  'message',
  'fieldPath',
  'reason',
  'optionalOldSelf',
])

/** The schema of version v1alpha1 in the CRD's text. Throws where the CRD holds what the generators do not know. */
export function readCrd(text: string): DescribedSchema {
  const crd = parse(text) as { spec: { versions: { name: string; schema: { openAPIV3Schema: unknown } }[] } }
  const version = crd.spec.versions.find(({ name }) => name === 'v1alpha1')
  if (!version) throw new Error('the CRD has no version v1alpha1')
  return readNode(version.schema.openAPIV3Schema as Record<string, unknown>, '')
}

function readNode(node: Record<string, unknown>, at: string): DescribedSchema {
  const { anyOf, ...schema } = node
  if (anyOf !== undefined) checkIntOrString(anyOf, schema, at)
  for (const keyword of Object.keys(schema)) {
    if (!KEYWORDS.has(keyword)) throw new Error(`${at || 'the root'}: the generators do not know ${keyword}`)
  }
  for (const rule of (schema['x-kubernetes-validations'] ?? []) as Record<string, unknown>[]) {
    const unknown = Object.keys(rule).find((keyword) => !RULE_KEYWORDS.has(keyword))
    if (unknown) throw new Error(`${at || 'the root'}: the generators do not know ${unknown} in a rule`)
  }
  const child = (field: unknown, name: string) => readNode(field as Record<string, unknown>, `${at}.${name}`)
  const properties = Object.entries((schema.properties ?? {}) as object).map(([name, field]) => [
    name,
    child(field, name),
  ])
  return {
    ...schema,
    ...(schema.properties ? { properties: Object.fromEntries(properties) } : {}),
    ...(schema.additionalProperties ? { additionalProperties: child(schema.additionalProperties, '*') } : {}),
    ...(schema.items ? { items: child(schema.items, '[]') } : {}),
  } as DescribedSchema
}

function checkIntOrString(anyOf: unknown, schema: Record<string, unknown>, at: string): void {
  const usual = JSON.stringify([{ type: 'integer' }, { type: 'string' }])
  if (schema['x-kubernetes-int-or-string'] === true && JSON.stringify(anyOf) === usual) return
  throw new Error(`${at}: anyOf is known only for x-kubernetes-int-or-string`)
}
