// Fields of a job that this version cannot serve, although the custom resource accepts them.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { unsupportedFields } from '#protocol/unsupported.ts'
import { type Finding, problem } from './finding.ts'

/** A finding for each such field; none where all can be served. */
export function judgeFields(spec: CompleteFederatedJobSpec): Finding[] {
  return unsupportedFields(spec).map(({ says, remedy }) => problem('fields', says, remedy))
}
