// The program `fedsam`: finds the command, runs it, and converts its result to an exit code: 0 complete, 1 failed, 2 invalid job or
// usage, 130 interrupted. Each command has a file in commands/; `kubectl fedsam` is the same program.
import { basename } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { CLI_EXITS, cliExitCode } from '#protocol/exit-codes.ts'
import { exitProcess, tuneEngine } from '#runtime/engine.ts'
import { unexpectedWord } from '#runtime/termination-message.ts'
import { type Command, UsageError } from './commands/command.ts'
import { COMMANDS, commandHelp, helpText } from './commands/table.ts'
import { print, printError } from './render/screen.ts'

/** The program's name as the user typed it: kubectl runs a program with this file name as its plugin. */
const PROGRAM = /^kubectl-fedsam(\.|$)/.test(basename(process.argv[1] ?? '')) ? 'kubectl fedsam' : 'fedsam'

/** Runs a command line; resolves to the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(helpText(PROGRAM).trimEnd())
    return name === undefined ? 2 : 0
  }
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (command === undefined) {
    printError(`fedsam: there is no command ${name}\n  list the commands: ${PROGRAM} --help`)
    return CLI_EXITS.Invalid
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    print(commandHelp(PROGRAM, command).trimEnd())
    return 0
  }
  try {
    return await (await command.load())(rest)
  } catch (error) {
    return explain(error, command)
  }
}

/** Prints an error. A known error has a message and a remedy; anything else is a defect: one line, and a file with the details. */
function explain(error: unknown, command: Command | undefined): number {
  if (error instanceof UsageError) {
    printError(`fedsam: ${error.message}\nusage: ${PROGRAM} ${command?.usage}`)
    return CLI_EXITS.Invalid
  }
  const known = error instanceof FedsamError ? error : undefined
  const { message, remedy } = known ?? unexpectedWord(error)
  printError(`fedsam: ${message}${remedy === '' ? '' : `\n  ${remedy}`}`)
  return cliExitCode(known?.code)
}

/** Runs the process's command line, and sets the process's exit code. */
export async function start(): Promise<void> {
  tuneEngine()
  // The reader of a pipe may end first, as head does: exit as a shell does after SIGPIPE.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') exitProcess(141)
    throw error
  })
  // An error outside of every awaited call.
  process.on('uncaughtException', (error) => exitProcess(explain(error, undefined)))
  process.exitCode = await main(process.argv.slice(2))
}

if (import.meta.main) await start()
