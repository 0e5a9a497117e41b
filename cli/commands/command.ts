// The shape of a command of `fedsam`, and the parser of its arguments: Node's own, with errors that name the argument.
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'

export interface Command {
  readonly name: string
  /** Without "fedsam". */
  readonly usage: string
  readonly summary: string
  /** Its options, for --help. */
  readonly details: string
  load(): Promise<RunCommand>
}

/** Resolves to the exit code; throws UsageError and FedsamError. */
export type RunCommand = (args: readonly string[]) => Promise<number>

/** An error in the command line itself. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Parses the options, the required positional arguments and the optional ones. Throws UsageError. */
export function readArguments<T extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: T,
  positionals: readonly string[],
  optional: readonly string[] = [],
) {
  let parsed: ReturnType<typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>>
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const missing = positionals[parsed.positionals.length]
  if (missing !== undefined) throw new UsageError(`the argument ${missing} is missing`)
  const extra = parsed.positionals[positionals.length + optional.length]
  if (extra !== undefined) throw new UsageError(`${extra} is one argument too many: remove it`)
  return { values: parsed.values, positionals: parsed.positionals }
}
