// The command `fedsam`: finds the command, runs it, turns its end into an exit code. 0 complete, 1 failed, 2 invalid job or
// usage, 130 interrupted. Each command is a file of commands/; `kubectl fedsam` is the same program.
import { basename } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { cliExitCode } from '#protocol/exit-codes.ts'
import { tuneEngine } from '#transport/engine.ts'
import { type Command, UsageError } from './commands/command.ts'
import { COMMANDS, commandHelp, helpText } from './commands/table.ts'

/** How people started us: kubectl runs a program of this name as its plugin. */
const PROGRAM = /^kubectl-fedsam(\.|$)/.test(basename(process.argv[1] ?? '')) ? 'kubectl fedsam' : 'fedsam'

/** Runs a command line; resolves to the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(helpText(PROGRAM))
    return name === undefined ? 2 : 0
  }
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (command === undefined) {
    process.stderr.write(`fedsam: there is no command ${name}; see ${PROGRAM} --help\n`)
    return 2
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(commandHelp(PROGRAM, command))
    return 0
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
    process.stderr.write(`fedsam: ${error.message}\nusage: ${PROGRAM} ${command.usage}\n`)
    return 2
  }
  if (error instanceof FedsamError) {
    process.stderr.write(`fedsam: ${error.message}\n${error.remedy === '' ? '' : `  ${error.remedy}\n`}`)
    return cliExitCode(error.code)
  }
  throw error
}

/** Runs the process's command line; its end is the process's exit code. */
export async function start(): Promise<void> {
  tuneEngine()
  // Who reads along may leave early, as head does: what a shell says of SIGPIPE.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(141)
    throw error
  })
  process.exitCode = await main(process.argv.slice(2))
}
