// Reduces an object to the fields that a pass reads, and freezes it, to bound the memory of the cache. It drops
// managedFields, kubectl's last applied configuration, and the specs of pods and the templates of Jobs: most of their
// size, and immutable.
import type { Json, KubernetesObject } from '../../objects/shapes.ts'

type Raw = Readonly<Record<string, unknown>> & { readonly metadata: object }

const METADATA = [
  'name',
  'namespace',
  'uid',
  'generation',
  'resourceVersion',
  'labels',
  'ownerReferences',
  'creationTimestamp',
  'deletionTimestamp',
] as const
const POD_SPEC = ['nodeName'] as const
const POD_STATUS = [
  'phase',
  'reason',
  'message',
  'startTime',
  'conditions',
  'initContainerStatuses',
  'containerStatuses',
] as const
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** The reduced object, frozen at every depth. Items of a list lack kind and apiVersion, so both are set here. */
export function trim(kind: string, apiVersion: string, object: Raw): KubernetesObject {
  const { metadata, spec, status, ...others } = object
  return freeze({
    ...others,
    kind,
    apiVersion,
    metadata: trimMetadata(metadata as Json),
    ...(spec === undefined ? {} : { spec: trimSpec(kind, spec as Json) }),
    ...(status === undefined ? {} : { status: kind === 'Pod' ? pick(status as Json, POD_STATUS) : status }),
  } as unknown as KubernetesObject)
}

function trimMetadata(metadata: Json): Json {
  const { [LAST_APPLIED]: _, ...annotations } = (metadata.annotations ?? {}) as Json
  return { ...pick(metadata, METADATA), ...(Object.keys(annotations).length > 0 ? { annotations } : {}) }
}

function trimSpec(kind: string, spec: Json): Json {
  if (kind === 'Pod') return pick(spec, POD_SPEC)
  if (kind !== 'Job') return spec
  const { template: _, ...kept } = spec
  return kept
}

function pick(object: Json, names: readonly string[]): Json {
  return Object.fromEntries(names.flatMap((name) => (name in object ? [[name, object[name]]] : [])))
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
