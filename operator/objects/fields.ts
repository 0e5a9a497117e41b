// Reading of objects whose shape nobody promises: what is not there, or of another kind, is undefined or empty. Never
// throws.
import type { Json, KubernetesObject } from './shapes.ts'

export function field(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (found, name) => (typeof found === 'object' && found !== null ? (found as Json)[name] : undefined),
    value,
  )
}

/** As text; empty where there is none. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The maps of a list; what is no map is left out. */
export function maps(list: unknown): Json[] {
  return Array.isArray(list) ? list.filter((item) => typeof item === 'object' && item !== null) : []
}

/** Milliseconds since 1970. */
export function moment(time: unknown): number | undefined {
  const parsed = Date.parse(text(time))
  return Number.isNaN(parsed) ? undefined : parsed
}

export function conditionOf(object: KubernetesObject, type: string): Json | undefined {
  return maps(field(object.status, 'conditions')).find((condition) => condition.type === type)
}

/** Whether the condition is there and True. */
export function holds(object: KubernetesObject, type: string): boolean {
  return conditionOf(object, type)?.status === 'True'
}
