// `fedsam site`: the commands of a site, that is, of a client in another network with a key of its own.
import { siteKey } from '#site/key.ts'
import { print } from '../render/screen.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'

/** `fedsam site key FILE`: makes the site's key, or reads it, and prints its public half. */
const key: RunCommand = async (args) => {
  const { positionals } = readArguments(args, {}, ['FILE'])
  print((await siteKey(positionals[0]!)).publicKey)
  return 0
}

/** The word after `site`, and its command. */
const COMMANDS: Readonly<Record<string, RunCommand>> = { key }

/** Resolves to the exit code of the command that the first argument names. */
export const site: RunCommand = async ([name = '', ...args]) => {
  if (!Object.hasOwn(COMMANDS, name))
    throw new UsageError(
      `there is no command site ${name}: write site ${Object.keys(COMMANDS).join(' or site ')}`,
    )
  return COMMANDS[name]!(args)
}
