// `fedsam site`: the commands of a site, that is, of a client in another network with a key of its own.
import { siteKey } from '#site/key.ts'
import { findingLines } from '../render/findings.ts'
import { print, printError } from '../render/screen.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'

/** `fedsam site key FILE`: makes the site's key, or reads it, and prints its public half. */
const key: RunCommand = async (args) => {
  const { positionals } = readArguments(args, {}, ['FILE'])
  print((await siteKey(positionals[0]!)).publicKey)
  printError('give these digits to the federation; the file never leaves this machine')
  return 0
}

const CHECK_OPTIONS = {
  job: { type: 'string' },
  client: { type: 'string' },
  network: { type: 'boolean' },
} as const

/**
 * `fedsam site check FILE`: checks a site's file and what it names, one line each; with --network also the way to each federation.
 * Resolves to 1 where there is a problem.
 */
const check: RunCommand = async (args) => {
  const { positionals, values } = readArguments(args, CHECK_OPTIONS, ['FILE'])
  const { job, client } = values
  if ((job === undefined) !== (client === undefined))
    throw new UsageError('--job and --client go together: name a job file and a partition of it')
  const { checkSite } = await import('../site/check.ts')
  const network = values.network ? (await import('../site/network.ts')).networkFindings : undefined
  const findings = await checkSite(positionals[0]!, {
    ...(job === undefined || client === undefined ? {} : { job: { file: job, client } }),
    ...(network ? { network } : {}),
  })
  for (const line of findingLines(findings)) print(line)
  return findings.some(({ verdict }) => verdict === 'Problem') ? 1 : 0
}

/** The word after `site`, and its command. */
const COMMANDS: Readonly<Record<string, RunCommand>> = { key, check }

/** Resolves to the exit code of the command that the first argument names. */
export const site: RunCommand = async ([name = '', ...args]) => {
  if (!Object.hasOwn(COMMANDS, name))
    throw new UsageError(
      `there is no command site ${name}: write site ${Object.keys(COMMANDS).join(' or site ')}`,
    )
  return COMMANDS[name]!(args)
}
