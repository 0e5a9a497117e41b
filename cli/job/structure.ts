// Checks a value against the structural schema, as the API server does, with messages that name the value to write.
// It rejects unknown fields, as kubectl does. rules.ts checks the rules across fields.
import { fieldSchema, type StructuralSchema } from '#protocol/structural-schema.ts'
import { nearest, type Path, type Problem, pathText, show } from './problem.ts'

/** The meaning of each pattern of the CRD, in words. A pattern without an entry fails the tests. */
const PATTERN_WORDS: Readonly<Record<string, string>> = {
  '^[0-9a-f]{64}$': '64 hexadecimal digits',
  '^[0-9a-f]{128}$': '128 hexadecimal digits',
  '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$':
    "a DNS label: lower-case letters, digits and '-', with a letter or a digit at both ends",
  '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$':
    "a DNS name: lower-case letters, digits, '-' and '.', with a letter or a digit at both ends",
  '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$':
    "nothing, or a DNS name: lower-case letters, digits, '-' and '.', with a letter or a digit at both ends",
  '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_./]*)?$':
    'nothing, or a domain-prefixed path such as kueue.x-k8s.io/multikueue',
  '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$':
    'a resource with its domain, such as nvidia.com/gpu',
  '^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$': 'namespace/name',
  '^[a-z0-9][a-z0-9.-]+[a-z0-9]$':
    "a bucket's name: at least 3 lower-case letters, digits, '-' and '.', with a letter or a digit at both ends",
  '^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$':
    "segments of letters, digits, '.', '_' and '-', joined by '/', with no '/' at either end",
  '^s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?$': 's3://bucket/prefix',
  '^(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?)?$':
    'nothing, or https:// with a host in lower case and perhaps a port, without a path',
  '^(wss://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/?)?$':
    'nothing, or wss:// with a host in lower case, and perhaps a port and a path',
  '^(https?://.+)?$': 'nothing, or a URL that begins with http:// or https://',
  '^(nats|tls)://[^,]+(,(nats|tls)://[^,]+)*$':
    'a URL that begins with nats:// or tls://, or several with commas between them',
  '^[A-Za-z0-9._-]+$': "letters, digits, '.', '_' and '-'",
  '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$':
    'a quantity such as 500m, 4 or 20Gi',
  '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$': 'one word in CamelCase',
}

/** All problems that the schema finds in `value`, in the order of its fields. */
export function checkStructure(schema: StructuralSchema, value: unknown, path: Path = []): Problem[] {
  // The API server treats a null as absent where the schema does not allow null.
  if (value === null) return []
  if (!hasType(schema, value)) return [{ path, message: `is ${show(value)}; write ${expected(schema)}` }]
  if (Array.isArray(value)) return checkList(schema, value, path)
  if (typeof value === 'object') return checkObject(schema, value as Record<string, unknown>, path)
  if (typeof value === 'string') return checkString(schema, value, path)
  if (typeof value === 'number') return checkNumber(schema, value, path)
  return []
}

/** The values that the schema allows, in words: "an integer from 1 to 10". */
export function expected(schema: StructuralSchema): string {
  if (schema.enum) return schema.enum.length === 1 ? schema.enum[0]! : `one of ${schema.enum.join(', ')}`
  if (schema.pattern) return PATTERN_WORDS[schema.pattern] ?? `what matches ${schema.pattern}`
  switch (schema.type) {
    case 'boolean':
      return 'true or false'
    case 'integer':
      return `an integer${range(schema)}`
    case 'number':
      return `a number${range(schema)}`
    case 'array':
      return 'a list'
    case 'object':
      return 'an object'
    default:
      return 'a string'
  }
}

function range({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: StructuralSchema): string {
  if (minimum === undefined || maximum === undefined) return ''
  if (!exclusiveMinimum && !exclusiveMaximum) return ` from ${minimum} to ${maximum}`
  const lower = exclusiveMinimum ? `above ${minimum}` : `of at least ${minimum}`
  return ` ${lower} and ${exclusiveMaximum ? 'below' : 'at most'} ${maximum}`
}

function hasType(schema: StructuralSchema, value: unknown): boolean {
  if (schema['x-kubernetes-int-or-string']) return typeof value === 'string' || Number.isSafeInteger(value)
  switch (schema.type) {
    case 'integer':
      return Number.isSafeInteger(value)
    case 'number':
      return Number.isFinite(value)
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && !Array.isArray(value)
    default:
      return schema.type === undefined || typeof value === schema.type
  }
}

function checkObject(
  schema: StructuralSchema,
  value: Readonly<Record<string, unknown>>,
  path: Path,
): Problem[] {
  const missing = (schema.required ?? [])
    .filter((name) => value[name] === undefined || value[name] === null)
    .map((name) => ({ path: [...path, name], message: 'is missing; add it' }))
  const fields = Object.entries(value).flatMap(([name, field]) => {
    const place = [...path, name]
    const known = fieldSchema(schema, name)
    if (known) return checkStructure(known, field, place)
    const isFree = schema['x-kubernetes-preserve-unknown-fields']
    return isFree ? checkFree(field, place) : [unknownField(schema, place)]
  })
  return [
    ...missing,
    ...fields,
    ...checkSize('fields', Object.keys(value).length, path, [schema.minProperties, schema.maxProperties]),
  ]
}

/** Checks a value without a schema. Rejects a number that JSON readers would round to another one. */
function checkFree(value: unknown, path: Path): Problem[] {
  if (typeof value === 'bigint') {
    const most = Number.MAX_SAFE_INTEGER
    return [{ path, message: `is ${value}; write a number from -${most} to ${most}, or put it in quotes` }]
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, field]) =>
    checkFree(field, [...path, Array.isArray(value) ? Number(name) : name]),
  )
}

function unknownField(schema: StructuralSchema, path: Path): Problem {
  const names = Object.keys(schema.properties ?? {})
  const meant = nearest(String(path.at(-1)), names)
  if (meant)
    return { path, message: `is not a field; did you mean ${pathText([...path.slice(0, -1), meant])}?` }
  const known = names.length === 0 ? '' : `, or use one of ${names.join(', ')}`
  return { path, message: `is not a field; remove it${known}` }
}

function checkList(schema: StructuralSchema, value: readonly unknown[], path: Path): Problem[] {
  const { items: itemSchema = {} } = schema
  const items = value.flatMap((item, index) => {
    const place = [...path, index]
    if (item === null)
      return [{ path: place, message: `is empty; write ${expected(itemSchema)} or remove it` }]
    return checkStructure(itemSchema, item, place)
  })
  return [
    ...items,
    ...checkUnique(schema, value, path),
    ...checkSize('items', value.length, path, [schema.minItems, schema.maxItems]),
  ]
}

function checkUnique(schema: StructuralSchema, value: readonly unknown[], path: Path): Problem[] {
  const kind = schema['x-kubernetes-list-type'] ?? 'atomic'
  if (kind === 'atomic') return []
  const key = schema['x-kubernetes-list-map-keys']?.[0]
  const seen = new Set<unknown>()
  return value.flatMap((item, index) => {
    const name = key === undefined ? item : (item as Readonly<Record<string, unknown>> | null)?.[key]
    const repeated = name !== undefined && seen.has(name)
    seen.add(name)
    if (!repeated) return []
    const place = key === undefined ? [...path, index] : [...path, index, key]
    return [{ path: place, message: `is ${show(name)} a second time; ${key ? 'rename it' : 'remove it'}` }]
  })
}

function checkSize(
  unit: string,
  size: number,
  path: Path,
  bounds: readonly [number | undefined, number | undefined],
): Problem[] {
  const [least = 0, most = Number.POSITIVE_INFINITY] = bounds
  if (size < least) return [{ path, message: `has ${size} ${unit}; give it at least ${least}` }]
  if (size > most) return [{ path, message: `has ${size} ${unit}; give it at most ${most}` }]
  return []
}

function checkString(schema: StructuralSchema, value: string, path: Path): Problem[] {
  if (schema.enum && !schema.enum.includes(value)) {
    const meant = nearest(value, schema.enum)
    return [
      {
        path,
        message: `is ${show(value)}; ${meant ? `did you mean ${meant}? It is` : 'write'} ${expected(schema)}`,
      },
    ]
  }
  if (schema.pattern && !new RegExp(schema.pattern, 'u').test(value)) {
    return [{ path, message: `is ${show(value)}; write ${expected(schema)}` }]
  }
  // The API server counts code points, not UTF-16 units.
  return checkSize('characters', [...value].length, path, [schema.minLength, schema.maxLength])
}

function checkNumber(schema: StructuralSchema, value: number, path: Path): Problem[] {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema
  const low = schema.exclusiveMinimum ? value <= minimum : value < minimum
  const high = schema.exclusiveMaximum ? value >= maximum : value > maximum
  return low || high ? [{ path, message: `is ${value}; write ${expected(schema)}` }] : []
}
