// The form that a pod template may have, as data, and the check of a value against it. The rules are a list of what is
// allowed: a field that a newer Kubernetes adds is refused until somebody allows it. scripts/generate/pod-templates.ts
// turns the same data into the chart's admission policy. Pure.
import { canonicalJson } from '#protocol/canonical.ts'
import { isObject } from '#protocol/json-object.ts'

/** What a value may be. A field that is absent always passes; null counts as a value. */
export type Shape =
  | { readonly kind: 'Any' }
  | { readonly kind: 'Never' }
  /** One of these values. */
  | { readonly kind: 'OneOf'; readonly values: readonly unknown[] }
  /** A whole number above 0. */
  | { readonly kind: 'Positive' }
  /** Anything but these names. `what` says whose names they are. */
  | { readonly kind: 'NotNamed'; readonly names: readonly string[]; readonly what: string }
  /** A map whose keys do not begin like this. */
  | { readonly kind: 'KeysWithout'; readonly beginnings: readonly string[] }
  /** A map with these fields; `open`: with any others, too. */
  | { readonly kind: 'Map'; readonly fields: Readonly<Record<string, Shape>>; readonly open?: boolean }
  | { readonly kind: 'List'; readonly items: Shape }
  /** A map that is judged by its field `name`. */
  | {
      readonly kind: 'ByName'
      readonly names: readonly string[]
      readonly named: Shape
      readonly others: Shape
    }

export const NOT_ALLOWED = 'is not allowed'
export const NOT_POSITIVE = 'may only be a whole number above 0'

export function notOneOf(values: readonly unknown[]): string {
  return `may only be ${values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' or ')}`
}

/** One sentence per value that the shape refuses: the path of its field, and why. Items of lists are `[]` in a path. */
export function refusedBy(shape: Shape, value: unknown, path: string): string[] {
  switch (shape.kind) {
    case 'Any':
      return []
    case 'Never':
      return [`${path} ${NOT_ALLOWED}`]
    case 'OneOf': {
      const found = shape.values.some((allowed) => canonicalJson(allowed) === canonicalJson(value ?? null))
      return found ? [] : [`${path} ${notOneOf(shape.values)}`]
    }
    case 'Positive':
      return Number.isInteger(value) && Number(value) > 0 ? [] : [`${path} ${NOT_POSITIVE}`]
    case 'NotNamed':
      return shape.names.includes(String(value)) ? [`${path} ${shape.what}`] : []
    default:
      return refusedInside(shape, value, path)
  }
}

type Nested = Extract<Shape, { kind: 'KeysWithout' | 'Map' | 'List' | 'ByName' }>

function refusedInside(shape: Nested, value: unknown, path: string): string[] {
  if (shape.kind === 'List') {
    if (!Array.isArray(value)) return [`${path} ${NOT_ALLOWED}`]
    return value.flatMap((item) => refusedBy(shape.items, item, `${path}[]`))
  }
  if (shape.kind === 'ByName') {
    const named = isObject(value) && shape.names.includes(String(value.name))
    return refusedBy(named ? shape.named : shape.others, value, path)
  }
  if (!isObject(value)) return shape.kind === 'Map' && shape.open ? [] : [`${path} ${NOT_ALLOWED}`]
  if (shape.kind === 'KeysWithout') {
    const keys = Object.keys(value).filter((key) => shape.beginnings.some((start) => key.startsWith(start)))
    return keys.map((key) => `${path}.${key} ${NOT_ALLOWED}`)
  }
  return Object.entries(value).flatMap(([key, field]) => {
    const allowed = Object.hasOwn(shape.fields, key) ? shape.fields[key] : undefined
    if (allowed) return refusedBy(allowed, field, `${path}.${key}`)
    return shape.open ? [] : [`${path}.${key} ${NOT_ALLOWED}`]
  })
}
