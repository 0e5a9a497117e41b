// Merging a user's pod template over a rendered one by the keys of the API's lists. Some fields are not the user's to change:
// restartPolicy, fedsam.dev labels, service account and tokens stay as they were rendered.
import type { Json } from './objects.ts'

/** Keys by which lists of objects are merged, the first that all items have; other lists are replaced. */
const LIST_KEYS = ['mountPath', 'name'] as const

/** `over` merged into `base`: maps deeply, lists by key, everything else replaced; null removes a field. */
export function merge(base: unknown, over: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(over)) return mergeLists(base, over)
  if (!isMap(base) || !isMap(over)) return over
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete merged[key]
    else merged[key] = key in merged ? merge(merged[key], value) : value
  }
  return merged
}

function mergeLists(base: readonly unknown[], over: readonly unknown[]): unknown[] {
  const key = LIST_KEYS.find((name) => [...base, ...over].every((item) => isMap(item) && name in item))
  if (key === undefined) return [...over]
  const keyOf = (item: unknown): unknown => (item as Json)[key]
  const changed = base.map((item) => {
    const change = over.find((other) => keyOf(other) === keyOf(item))
    return change === undefined ? item : merge(item, change)
  })
  const known = new Set(base.map(keyOf))
  return [...changed, ...over.filter((item) => !known.has(keyOf(item)))]
}

/** A pod template with the user's laid over it, except where it is not theirs. */
export function overlay(template: Json, user: Json | undefined): Json {
  if (!user) return template
  const merged = merge(template, user) as { metadata?: Json; spec?: Json }
  const [metadata, spec] = [template.metadata as Json, template.spec as Json]
  const labels = { ...(merged.metadata?.labels as Json), ...(metadata.labels as Json) }
  const fixed = ['restartPolicy', 'serviceAccountName', 'automountServiceAccountToken']
  const kept = Object.fromEntries(fixed.filter((key) => key in spec).map((key) => [key, spec[key]]))
  const token = (spec.volumes as Json[]).filter(({ name }) => name === 'token')
  const volumes = merge(merged.spec?.volumes, token)
  return { metadata: { ...merged.metadata, labels }, spec: { ...merged.spec, ...kept, volumes } }
}

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
