// A strategy's own parameters: what each may be, and its default. Every one is a number.
// Promises: what a preset receives is complete and within its range; anything else ends in InvalidJob naming the field.

import { FedsamError } from '#protocol/errors.ts'

/** A number's default and range. `text` says the range to people. */
export interface Parameter {
  readonly default: number
  readonly text: string
  allows(value: number): boolean
}

export function positive(fallback: number): Parameter {
  return {
    default: fallback,
    text: 'a number above 0',
    allows: (value) => value > 0 && value < Number.POSITIVE_INFINITY,
  }
}

/** A number of [0, end). */
export function below(end: number, fallback: number): Parameter {
  return {
    default: fallback,
    text: `a number from 0 to below ${end}`,
    allows: (value) => value >= 0 && value < end,
  }
}

export function count(least: number, fallback: number): Parameter {
  return {
    default: fallback,
    text: `a whole number from ${least}`,
    allows: (value) => Number.isSafeInteger(value) && value >= least,
  }
}

export type Parameters = Readonly<Record<string, Parameter>>
export type ValuesOf<P extends Parameters> = { readonly [name in keyof P]: number }

/**
 * The values of all parameters, defaults filled in.
 * `field` is where `given` stands in the job ("spec.strategy.fedAdam"). Throws FedsamError InvalidJob.
 */
export function readParameters<P extends Parameters>(
  parameters: P,
  given: unknown,
  field: string,
): ValuesOf<P> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new FedsamError('InvalidJob', `${field} is not a map`, {
      remedy: 'write its parameters as name: number',
    })
  }
  const names = Object.keys(parameters)
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(parameters, name)) continue
    const remedy =
      names.length === 0 ? 'remove it: this strategy has no parameters' : `known are ${names.join(', ')}`
    throw new FedsamError('InvalidJob', `${field}.${name} is no parameter of this strategy`, { remedy })
  }
  const values = names.map((name) => {
    const { default: fallback, text, allows } = parameters[name]!
    const value: unknown = (given as Record<string, unknown>)[name] ?? fallback
    if (typeof value === 'number' && allows(value)) return [name, value]
    throw new FedsamError('InvalidJob', `${field}.${name} is ${JSON.stringify(value)}, not ${text}`, {
      remedy: `the default is ${fallback}`,
    })
  })
  return Object.fromEntries(values) as ValuesOf<P>
}
