// How a program reads its environment: a rule for each variable of a table of protocol/environment.ts, and everything that is
// wrong in one InvalidJob error. An empty variable counts as one that is not set. Each program reads its own in one file.
import type { Variables } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A variable's value from its text, '' where it is not set. Throws RangeError with the fault as its message: "is missing". */
export type Rule<T> = (text: string) => T

/** A rule for each variable of the table. */
export type Rules<T extends Variables> = { readonly [K in keyof T]: Rule<unknown> }

/** What the rules return. */
export type Read<R> = { readonly [K in keyof R]: R[K] extends Rule<infer T> ? T : never }

/** The values of a table's variables. Throws FedsamError InvalidJob, naming every variable that is wrong. */
export function readVariables<T extends Variables, const R extends Rules<T>>(
  env: Environment,
  table: T,
  rules: R & { readonly [K in Exclude<keyof R, keyof T>]: never },
): Read<R> {
  const problems: string[] = []
  const values = Object.entries(table).map(([key, { name }]) => {
    try {
      return [key, rules[key]!(env[name] ?? '')] as const
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      problems.push(`${name}${error.message}`)
      return [key, undefined] as const
    }
  })
  if (problems.length > 0) {
    throw new FedsamError('InvalidJob', `the environment: ${problems.join('; ')}`, {
      remedy: 'the operator and fedsam run set these variables; docs/programs.md lists them',
    })
  }
  return Object.fromEntries(values) as Read<R>
}

/** The text unchanged; '' where the variable is not set. */
export const optional: Rule<string> = (text) => text

export const required: Rule<string> = (text) => {
  if (text === '') throw new RangeError(' is missing')
  return text
}

/** A variable that another one excludes. */
export function excludedBy(name: string): Rule<undefined> {
  return (text) => {
    if (text !== '') throw new RangeError(` and ${name} exclude each other`)
  }
}

/** A number of seconds above 0; the default where it is not set. */
export function seconds(otherwise?: number): Rule<number> {
  return (text) => {
    if (text === '' && otherwise !== undefined) return otherwise
    const value = Number(required(text))
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new RangeError(`: ${text} is not a number of seconds`)
    return value
  }
}

/** A whole number from `least` on; the default where it is not set. */
export function count(otherwise: number, least = 1): Rule<number> {
  return (text) => {
    if (text === '') return otherwise
    if (!/^\d{1,15}$/.test(text) || Number(text) < least)
      throw new RangeError(`: ${text} is not a whole number from ${least}`)
    return Number(text)
  }
}

/** A TCP port; the default where it is not set. */
export function port(otherwise: number): Rule<number> {
  return (text) => {
    if (text === '') return otherwise
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new RangeError(`: ${text} is not a port`)
    return Number(text)
  }
}

/** true or false; undefined where it is not set. */
export const flag: Rule<boolean | undefined> = (text) => {
  if (text === '') return undefined
  if (text !== 'true' && text !== 'false') throw new RangeError(`: ${text} is neither true nor false`)
  return text === 'true'
}

/** One of these; the first where it is not set. */
export function oneOf<const T extends readonly [string, ...string[]]>(allowed: T): Rule<T[number]> {
  return (text) => {
    const found = allowed.find((value) => value === (text || allowed[0]))
    if (found === undefined) throw new RangeError(`: ${text} is not one of ${allowed.join(', ')}`)
    return found
  }
}

/** Names, comma separated, each once. */
export const names: Rule<readonly string[]> = (text) =>
  [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '')

/** JSON; undefined where it is not set. */
export const json: Rule<unknown> = (text) => {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new RangeError(' is not JSON')
  }
}

/** The variables that are set, as a new process takes them: without those that are undefined. */
export function setVariables(env: Environment): Record<string, string> {
  const isSet = (entry: [string, string | undefined]): entry is [string, string] => entry[1] !== undefined
  return Object.fromEntries(Object.entries(env).filter(isSet))
}
