// What the cache keeps of an object: the fields that reconciling reads, frozen. What it leaves out: who manages which field, what
// kubectl applied last, and of pods and Jobs the templates, which are most of their size and never change.
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

/** The object as it is kept, frozen throughout. Items of a list carry neither kind nor apiVersion: they are put back. */
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
