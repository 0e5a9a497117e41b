// What a job means where it is silent. applyDefaults does what the API server does with the same schema, so that a laptop and a
// cluster run the same job; completeSpec adds the few defaults that depend on other fields, which no static schema can say.

import type { CompleteFederatedJobSpec, FederatedJobSpec } from './generated/federatedjob.ts'
import { FEDERATED_JOB_SCHEMA } from './generated/schema.ts'
import { isObject } from './json-object.ts'
import { withMode } from './metric-mode.ts'
import { fieldSchema, type StructuralSchema } from './structural-schema.ts'

/**
 * A copy of `value` with the schema's defaults, by the API server's rules of structural defaulting: an absent field, or a null
 * where null is not allowed, takes the default, which is completed in turn; a forbidden null without a default is left out.
 */
export function applyDefaults(schema: StructuralSchema, value: unknown): unknown {
  if (Array.isArray(value))
    return value.map((item) => (schema.items ? applyDefaults(schema.items, item) : item))
  if (!isObject(value)) return value
  const completed: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(value)) {
    const known = fieldSchema(schema, key)
    if (field === null && known && !known.nullable) continue
    completed[key] = known ? applyDefaults(known, field) : field
  }
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined || Object.hasOwn(completed, key)) continue
    completed[key] = applyDefaults(property, property.default)
  }
  return completed
}

/** The field of spec.strategy, or of spec.trainer, that holds a type's own parameters: FedAdam → fedAdam. */
export function parametersField<T extends string>(type: T): Uncapitalize<T> {
  return (type.charAt(0).toLowerCase() + type.slice(1)) as Uncapitalize<T>
}

/**
 * The spec as the programs consume it: defaults of the schema, then the parameter object of the chosen strategy and trainer, then
 * round.quorum (minFitClients), minAvailableClients (never below minFitClients, or a round could not ask enough), the modes of
 * evaluation (by the metric's name), and the share of each data set that is held out: a fifth where it trains, and all of it where
 * it only evaluates.
 * The spec must be valid; a completed one comes back as it is.
 */
export function completeSpec(spec: FederatedJobSpec): CompleteFederatedJobSpec {
  const completed = applyDefaults(SPEC_SCHEMA, spec) as CompleteFederatedJobSpec
  const { minFitClients, minAvailableClients } = completed.strategy
  const strategy = {
    ...withParameters('strategy', completed.strategy),
    minAvailableClients: Math.max(minAvailableClients, minFitClients),
  }
  // A Command has no defaults to run with: the schema requires its field.
  const { type } = completed.trainer
  const trainer = type === 'Command' ? completed.trainer : withParameters('trainer', completed.trainer)
  const round = { ...completed.round, quorum: completed.round.quorum ?? minFitClients }
  const partitions = completed.partitions.map((partition) => {
    const heldOutFraction = partition.dataset.heldOutFraction ?? (partition.train ? 0.2 : 1)
    return { ...partition, dataset: { ...partition.dataset, heldOutFraction } }
  })
  return { ...completed, strategy, trainer, round, partitions, ...withModes(completed.evaluation) }
}

function withModes(evaluation: FederatedJobSpec['evaluation']): Pick<CompleteFederatedJobSpec, 'evaluation'> {
  if (evaluation === undefined || evaluation === null) return {}
  const { bestBy, stopWhen } = evaluation
  return {
    evaluation: {
      ...(bestBy && { bestBy: withMode(bestBy) }),
      ...(stopWhen && { stopWhen: withMode(stopWhen) }),
    },
  }
}

/** The schema of `spec`. */
export const SPEC_SCHEMA: StructuralSchema = FEDERATED_JOB_SCHEMA.properties?.spec ?? {}

/** With the parameter object of its type; one that is absent gets all its defaults. */
function withParameters<T extends { readonly type: string }>(section: 'strategy' | 'trainer', value: T): T {
  const field = parametersField(value.type)
  const schema = parametersSchema(section, value.type)
  return schema === undefined || field in value ? value : { ...value, [field]: applyDefaults(schema, {}) }
}

/** The schema of a type's own parameters; undefined for a type without any. */
export function parametersSchema(
  section: 'strategy' | 'trainer',
  type: string,
): StructuralSchema | undefined {
  return fieldSchema(fieldSchema(SPEC_SCHEMA, section) ?? {}, parametersField(type))
}
