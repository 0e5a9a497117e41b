// Fields of the resource that its schema accepts and this version cannot serve, with what to do about each. The command line refuses
// them before a run, the operator before it creates a pod. Pure.
import type { CompleteFederatedJobSpec } from './generated/federatedjob.ts'

export interface Unsupported {
  /** The field and what is the matter: "spec.output.fullCheckpoint: not available yet". */
  readonly says: string
  readonly remedy: string
}

/** Every such field of a spec, in the order of the schema. */
export function unsupportedFields({ output }: CompleteFederatedJobSpec): Unsupported[] {
  const fields: readonly (readonly [boolean, string, string])[] = [
    [output.fullCheckpoint, 'spec.output.fullCheckpoint: not available yet', 'use fedsam export'],
  ]
  return fields.filter(([applies]) => applies).map(([, says, remedy]) => ({ says, remedy }))
}

/** One line for each, as people read it. */
export function unsupportedText(fields: readonly Unsupported[]): string {
  return fields.map(({ says, remedy }) => `${says}; ${remedy}`).join('\n')
}
