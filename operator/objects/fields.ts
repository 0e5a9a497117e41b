// Reads fields of objects whose shape is not checked. A field that is missing, or has another type, is undefined or empty. Never
// throws. Pure.
import type { Json, KubernetesObject } from './shapes.ts'

/** The value of a nested field: field(object, 'spec', 'suspend'). */
export function field(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (found, name) => (typeof found === 'object' && found !== null ? (found as Json)[name] : undefined),
    value,
  )
}

/** The value, if it is text; else an empty text. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The items of a list that are objects. */
export function maps(list: unknown): Json[] {
  return Array.isArray(list) ? list.filter((item) => typeof item === 'object' && item !== null) : []
}

/** A time as milliseconds since 1970; undefined where it is not a time. */
export function moment(time: unknown): number | undefined {
  const parsed = Date.parse(text(time))
  return Number.isNaN(parsed) ? undefined : parsed
}

export function conditionOf(object: KubernetesObject, type: string): Json | undefined {
  return maps(field(object.status, 'conditions')).find((condition) => condition.type === type)
}

/** Whether the object has the condition with status True. */
export function holds(object: KubernetesObject, type: string): boolean {
  return conditionOf(object, type)?.status === 'True'
}
