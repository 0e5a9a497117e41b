// `fedsam site`: the commands of a site, that is, of a client in another network with a key of its own.
import { FedsamError } from '#protocol/errors.ts'
import { CLI_EXITS } from '#protocol/exit-codes.ts'
import { jobNameOf } from '#protocol/sites.ts'
import type { RunEnd } from '#site/agent/agent.ts'
import { siteKey } from '#site/key.ts'
import { findingLines } from '../render/findings.ts'
import { print, printError } from '../render/screen.ts'
import { watchInterrupts } from '../run/interrupts.ts'
import { loadSite } from '../site/load.ts'
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

/** `fedsam site run FILE`: serves every listed job until it is asked to stop. */
const run: RunCommand = async (args) => {
  const { positionals } = readArguments(args, {}, ['FILE'])
  const site = await loadSite(positionals[0]!)
  const { serveSite } = await import('../site/serve.ts')
  const { signal } = watchInterrupts()
  await serveSite({ site, say: print, signal })
  return CLI_EXITS.Interrupted
}

const GONE = { remedy: 'ask its author: the job was deleted, or it names another key' }
const FAILED = { remedy: "ask the job's author: the status of the job says more" }

/**
 * `fedsam site join FILE JOB`: serves one job until it is over. Throws SiteRefused where the site takes no part in it, and RunFailed where
 * the job ends without a result.
 */
const join: RunCommand = async (args) => {
  const { positionals } = readArguments(args, {}, ['FILE', 'JOB'])
  const [file, text] = positionals as [string, string]
  const only = jobNameOf(text)
  if (only === undefined) throw new UsageError(`${text} is not the name of a job: write namespace/name`)
  const site = await loadSite(file)
  const { serveSite } = await import('../site/serve.ts')
  const { signal } = watchInterrupts()
  const over = new AbortController()
  let end: RunEnd | undefined
  const onEnded = (ended: RunEnd): void => {
    end ??= ended
    over.abort()
  }
  await serveSite({ site, only, say: print, onEnded, signal: AbortSignal.any([signal, over.signal]) })
  if (end === undefined) return CLI_EXITS.Interrupted
  if (end.kind === 'Failed') throw end.error
  if (end.kind === 'Gone')
    throw new FedsamError('SiteRefused', `the job ${text} has no place for this site any more`, GONE)
  if (end.failed) throw new FedsamError('RunFailed', `the job ${text} has no result: ${end.reason}`, FAILED)
  return CLI_EXITS.Complete
}

/** The word after `site`, and its command. */
const COMMANDS: Readonly<Record<string, RunCommand>> = { key, check, run, join }

/** Resolves to the exit code of the command that the first argument names. */
export const site: RunCommand = async ([name = '', ...args]) => {
  if (!Object.hasOwn(COMMANDS, name))
    throw new UsageError(
      `${name === '' ? 'site needs a command' : `there is no command site ${name}`}: write site ${Object.keys(COMMANDS).join(' or site ')}`,
    )
  return COMMANDS[name]!(args)
}
