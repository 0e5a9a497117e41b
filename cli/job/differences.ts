// Compares two job specs field by field, and returns each difference with both values. A null field equals an absent one. Pure.

import { canonicalJson } from '#protocol/canonical.ts'
import { isObject } from '#protocol/json-object.ts'

export interface Difference {
  /** "spec.strategy.type" or "spec.partitions[2].train". */
  readonly path: string
  readonly from: unknown
  readonly to: unknown
}

/** All differences in the order of their names. An object or a list that only one side has is one difference. */
export function differences(from: unknown, to: unknown, path: string): Difference[] {
  if ((from ?? null) === (to ?? null)) return []
  if (Array.isArray(from) && Array.isArray(to) && from.length === to.length) {
    return from.flatMap((item, i) => differences(item, to[i], `${path}[${i}]`))
  }
  if (isObject(from) && isObject(to)) {
    const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()
    return names.flatMap((name) => differences(fieldOf(from, name), fieldOf(to, name), `${path}.${name}`))
  }
  return canonicalJson(from ?? null) === canonicalJson(to ?? null) ? [] : [{ path, from, to }]
}

/** The names come from a file. A name such as "constructor" must not find the property that every object has. */
function fieldOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}
