// A program's environment variables, as a value that programs pass on. Each program reads its own in one file.
import { FedsamError } from '#protocol/errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The variables of the list that are missing or empty are named in one InvalidJob error. */
export function requireVariables<K extends string>(env: Environment, names: readonly K[]): Record<K, string> {
  const missing = names.filter((name) => (env[name] ?? '') === '')
  if (missing.length > 0) {
    throw new FedsamError('InvalidJob', `environment variables are missing: ${missing.join(', ')}`, {
      remedy: 'the operator and fedsam run set them; docs/programs.md lists them',
    })
  }
  return Object.fromEntries(names.map((name) => [name, env[name]!])) as Record<K, string>
}
