#!/usr/bin/env node
// The command `fedsam`: finds the command, runs it, turns its end into an exit code. 0 complete, 1 failed, 2 invalid job or
// usage, 130 interrupted. Each command is a file of commands/.
import { pathToFileURL } from 'node:url'
import { FedsamError } from '#protocol/errors.ts'
import { cliExitCode } from '#protocol/exit-codes.ts'
import { type Command, UsageError } from './commands/command.ts'
import { exportCommand } from './commands/export.ts'
import { runCommand } from './commands/run.ts'

const COMMANDS: readonly Command[] = [runCommand, exportCommand]

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
    return await command.run(rest)
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

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await main(process.argv.slice(2))
}
