// Fields of a job that this version cannot serve, although the custom resource accepts them.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { unsupportedFields } from '#protocol/unsupported.ts'
import { type Finding, problem } from './finding.ts'

/** A finding for each such field; none where all can be served. */
export function judgeFields(spec: CompleteFederatedJobSpec): Finding[] {
  const external = spec.partitions
    .filter(({ external: joins }) => joins != null)
    .map(({ name }) => ({
      says: `spec.partitions[${name}].external: no client can join from outside yet`,
      remedy: 'leave it out',
    }))
  return [...unsupportedFields(spec), ...external].map(({ says, remedy }) => problem('fields', says, remedy))
}
