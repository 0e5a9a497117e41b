// Reads a strategy's own parameters. Only the schema (crds/) has their names, ranges and defaults. Every parameter is a number. A
// strategy receives all of its parameters, each within its range; other values end in InvalidJob, which names the field. A stored
// job may be older than the schema's bounds, so the coordinator checks them too.
import { applyDefaults, parametersField, parametersSchema } from '#protocol/defaults.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { StructuralSchema } from '#protocol/structural-schema.ts'

/**
 * The values of all parameters of the strategy `type`, with defaults. `given` is the field of spec.strategy that has its name.
 * Throws FedsamError InvalidJob.
 */
export function readParameters(type: string, given: unknown): Readonly<Record<string, unknown>> {
  const field = `spec.strategy.${parametersField(type)}`
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new FedsamError('InvalidJob', `${field} is not a map`, {
      remedy: 'write its parameters as name: number',
    })
  }
  const schema = parametersSchema('strategy', type) ?? {}
  const properties = schema.properties ?? {}
  checkNames(field, Object.keys(given), Object.keys(properties))
  const values = applyDefaults(schema, given) as Readonly<Record<string, unknown>>
  for (const [name, property] of Object.entries(properties)) {
    if (allows(property, values[name])) continue
    throw new FedsamError(
      'InvalidJob',
      `${field}.${name} is ${JSON.stringify(values[name])}, not ${rangeOf(property)}`,
      { remedy: `the default is ${property.default}` },
    )
  }
  return values
}

function checkNames(field: string, given: readonly string[], names: readonly string[]): void {
  const unknown = given.find((name) => !names.includes(name))
  if (unknown === undefined) return
  const remedy =
    names.length === 0 ? 'remove it: this strategy has no parameters' : `known are ${names.join(', ')}`
  throw new FedsamError('InvalidJob', `${field}.${unknown} is not a parameter of this strategy`, { remedy })
}

function allows(schema: StructuralSchema, value: unknown): boolean {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false
  if (schema.type === 'integer' && !Number.isSafeInteger(value)) return false
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum, exclusiveMaximum } = schema
  const isAbove = exclusiveMinimum ? value > minimum : value >= minimum
  const isBelow = exclusiveMaximum ? value < maximum : value <= maximum
  return isAbove && isBelow
}

/** "a number above 0 and up to 1000": every parameter of a strategy has both bounds. */
function rangeOf({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: StructuralSchema): string {
  const kind = type === 'integer' ? 'a whole number' : 'a number'
  const from = exclusiveMinimum ? `above ${minimum}` : `from ${minimum}`
  return `${kind} ${from} and ${exclusiveMaximum ? 'below' : 'up to'} ${maximum}`
}
