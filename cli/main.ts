#!/usr/bin/env node
// The command `fedsam`: finds the command, runs it, turns its end into an exit code. 0 complete, 1 failed, 2 invalid job or
// usage, 130 interrupted. Each command is a file of commands/.
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FedsamError } from '#protocol/errors.ts'
import { cliExitCode } from '#protocol/exit-codes.ts'
import { tuneCollector } from '#transport/collector.ts'
import { type Command, UsageError } from './commands/command.ts'

/** A command's code is loaded when it runs: help and mistakes need no model, codec or client. */
const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage: 'run JOB.yaml [--output DIR] [--set path=value]... [--processes] [--json]',
    summary: 'runs the whole job on this machine; on the same output it goes on where it was',
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    name: 'plan',
    usage: 'plan JOB.yaml [--set path=value]... [--json]',
    summary: 'what the job would exchange, compute and need, without starting it',
    load: async () => (await import('./commands/plan.ts')).plan,
  },
  {
    name: 'export',
    usage: 'export SOURCE --to FOLDER',
    summary:
      "writes a run's model (SOURCE is its output folder) as a complete checkpoint that Hugging Face opens",
    load: async () => (await import('./commands/export.ts')).exportRun,
  },
  {
    name: 'verify',
    usage: 'verify SOURCE',
    summary: "holds everything that a run's record names against its digests (SOURCE is its output folder)",
    load: async () => (await import('./commands/verify.ts')).verify,
  },
]

const HELP = `fedsam: federated fine-tuning, where the data lies

${COMMANDS.map(({ usage, summary }) => `  fedsam ${usage}\n      ${summary}`).join('\n')}

Exit codes: 0 complete, 1 failed, 2 invalid job or usage, 130 interrupted.
`

/** Runs the command line; resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP)
    return name === undefined ? 2 : 0
  }
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (command === undefined) {
    process.stderr.write(`fedsam: there is no command ${name}; see fedsam --help\n`)
    return 2
  }
  try {
    return await (await command.load())(rest)
  } catch (error) {
    return explain(error, command)
  }
}

/** Errors that people can act on are sentences; anything else is a defect and shows where it happened. */
function explain(error: unknown, command: Command): number {
  if (error instanceof UsageError) {
    process.stderr.write(`fedsam: ${error.message}\nusage: fedsam ${command.usage}\n`)
    return 2
  }
  if (error instanceof FedsamError) {
    process.stderr.write(`fedsam: ${error.message}\n${error.remedy === '' ? '' : `  ${error.remedy}\n`}`)
    return cliExitCode(error.code)
  }
  throw error
}

// An installed command is started through a link.
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  tuneCollector()
  process.exitCode = await main(process.argv.slice(2))
}
