// The revision of a worker's Job: a digest of the partition from which its pod was rendered. A changed partition gets a new Job,
// because a Job's template is immutable. Defaults and fields that only the coordinator reads do not count, so an upgrade of the
// operator restarts no pod. Pure.
import { canonicalJson } from '#protocol/canonical.ts'
import { SPEC_SCHEMA } from '#protocol/defaults.ts'
import { sha256 } from '#protocol/digest.ts'
import type { CompletePartitionSpec } from '#protocol/generated/federatedjob.ts'
import { REVISION_ANNOTATION } from '#protocol/labels.ts'
import type { StructuralSchema } from '#protocol/structural-schema.ts'
import type { Json, KubernetesObject } from '../../objects/shapes.ts'

/** The annotations of a partition's Job. */
export function revisionOf(partition: CompletePartitionSpec): Readonly<Record<string, string>> {
  const { train: _, ...rendered } = partition
  const schema = SPEC_SCHEMA.properties?.partitions?.items ?? {}
  return { [REVISION_ANNOTATION]: sha256(canonicalJson(withoutDefaults(schema, rendered))).slice(0, 20) }
}

/** Whether the Job was rendered from another revision than the wanted one. A Job without a revision is not outdated. */
export function isOutdated(there: KubernetesObject, wanted: KubernetesObject): boolean {
  const [before, after] = [there, wanted].map(({ metadata }) => metadata.annotations?.[REVISION_ANNOTATION])
  return before !== undefined && after !== undefined && before !== after
}

/** The value without the fields that have the schema's default. */
function withoutDefaults(schema: StructuralSchema, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const kept = Object.entries(value as Json).flatMap(([name, field]) => {
    const known = schema.properties?.[name] ?? {}
    const own = withoutDefaults(known, field)
    const usual = withoutDefaults(known, known.default ?? null)
    return canonicalJson(own) === canonicalJson(usual) ? [] : [[name, own]]
  })
  return Object.fromEntries(kept)
}
