// Merges a user's pod template into a rendered one, by the keys of the API's lists. Guarantees: restartPolicy,
// fedsam.dev labels, service account and token stay as rendered, and no other container than the rendered ones gets
// the token or the credentials of the bus. What a template may hold at all is decided before (template-rules.ts). Pure.
import { isObject } from '#protocol/json-object.ts'
import type { PodTemplates } from '../../objects/settings.ts'
import type { Json } from '../../objects/shapes.ts'
import { ADDED_CONTAINER_SECURITY } from './security.ts'
import { SECRET_VOLUMES } from './settings.ts'

/** Keys by which lists of objects are merged: the first key that all items have. Other lists are replaced. */
const LIST_KEYS = ['mountPath', 'name'] as const

/** Fields of a pod that stay as rendered. */
const FIXED = ['restartPolicy', 'serviceAccountName', 'automountServiceAccountToken']
/** Volumes that stay as rendered, and that only the containers rendered with them may mount. */
const GUARDED: readonly string[] = Object.values(SECRET_VOLUMES)

/** Merges `over` into `base`: maps field by field, lists by key. Replaces every other value; null removes a field. */
export function merge(base: unknown, over: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(over)) return mergeLists(base, over)
  if (!isObject(base) || !isObject(over)) return over
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete merged[key]
    else merged[key] = key in merged ? merge(merged[key], value) : value
  }
  return merged
}

function mergeLists(base: readonly unknown[], over: readonly unknown[]): unknown[] {
  const key = LIST_KEYS.find((name) => [...base, ...over].every((item) => isObject(item) && name in item))
  if (key === undefined) return [...over]
  const keyOf = (item: unknown): unknown => (item as Json)[key]
  const changed = base.map((item) => {
    const change = over.find((other) => keyOf(other) === keyOf(item))
    return change === undefined ? item : merge(item, change)
  })
  const known = new Set(base.map(keyOf))
  return [...changed, ...over.filter((item) => !known.has(keyOf(item)))]
}

/**
 * The rendered template with the user's changes, except those that the file's head excludes. Under Restricted a
 * container that the template adds can gain no privileges.
 */
export function overlay(
  template: Json,
  user: Json | undefined,
  podTemplates: PodTemplates = 'Restricted',
): Json {
  if (!user) return template
  const merged = merge(template, user) as { metadata?: Json; spec?: Json }
  const [metadata, spec] = [template.metadata as Json, template.spec as Json]
  const labels = { ...(merged.metadata?.labels as Json), ...(metadata.labels as Json) }
  const kept = Object.fromEntries(FIXED.filter((key) => key in spec).map((key) => [key, spec[key]]))
  const guarded = namedMaps(spec.volumes).filter(({ name }) => GUARDED.includes(String(name)))
  const volumes = merge(merged.spec?.volumes, guarded)
  const containers = Object.fromEntries(
    ['initContainers', 'containers']
      .filter((list) => merged.spec && list in merged.spec)
      .map((list) => {
        const own = namedMaps(spec[list])
        const all = guardedMounts(own, merged.spec?.[list])
        return [list, podTemplates === 'Restricted' ? all.map((one) => withoutPrivileges(one, own)) : all]
      }),
  )
  return {
    metadata: { ...merged.metadata, labels },
    spec: { ...merged.spec, ...kept, ...containers, volumes },
  }
}

function withoutPrivileges(container: Json, rendered: readonly Json[]): Json {
  if (rendered.some(({ name }) => name === container.name)) return container
  return { ...container, securityContext: merge(ADDED_CONTAINER_SECURITY, container.securityContext ?? {}) }
}

/** The merged containers. Of guarded volumes they have only the mounts that were rendered. */
function guardedMounts(rendered: readonly Json[], merged: unknown): Json[] {
  return namedMaps(merged).map((container) => {
    const mounts = namedMaps(container.volumeMounts)
    const own = namedMaps(rendered.find(({ name }) => name === container.name)?.volumeMounts)
    const allowed = mounts.filter(
      ({ name, mountPath }) =>
        !GUARDED.includes(String(name)) ||
        own.some((mount) => mount.name === name && mount.mountPath === mountPath),
    )
    return mounts.length === 0 ? container : { ...container, volumeMounts: allowed }
  })
}

/** The maps of a list. The API server rejects any other item that a user wrote. */
function namedMaps(list: unknown): Json[] {
  return Array.isArray(list) ? list.filter(isObject) : []
}
