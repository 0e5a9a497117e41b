// Runs a program of the user's as a child process behind pipes, on one machine: a trainer, or a strategy's program. Guarantees that
// its descendants end with it, and that a failed start names the file at fault.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Variable } from '#protocol/environment.ts'
import { shortened } from '#protocol/text.ts'
import { type Family, followFamily } from './process-family.ts'
import type { Ended, Link } from './process-link.ts'
import { explainStart } from './start-problem.ts'

export interface ChildProgram {
  /** The program's name in messages; by default its shortened command line. */
  readonly name?: string
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** How long to read output after the process has ended, if another process keeps it open. Milliseconds. */
const DRAIN_MS = 1000

/** Longest command line in a message, and the longest word in it, in characters. */
const LONGEST_NAME = 120
const LONGEST_WORD = 60

/**
 * Starts the process. Never throws: a process that cannot start is a link that has ended with the reason. `mark` is the variable whose
 * value, `life`, marks its descendants.
 */
export function spawnChild(
  program: ChildProgram,
  mark: Variable,
  life: string = randomBytes(8).toString('hex'),
): Link {
  const { command, env, cwd } = program
  const name = program.name ?? shortCommand(command)
  let child: ChildProcessWithoutNullStreams
  try {
    // Its own process group: killing the group kills its descendants, and Ctrl-C in the terminal reaches only this process.
    child = spawn(command[0], command.slice(1), {
      cwd,
      env: { ...env, [mark.name]: life },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
  } catch (cause) {
    return neverStarted(name, notStarted(program, cause as Error))
  }
  child.stdin.on('error', () => {}) // the end of the process reports the failure
  const family: Family | undefined =
    child.pid === undefined ? undefined : followFamily(child.pid, `${mark.name}=${life}`)
  return {
    name,
    output: child.stdout,
    errors: child.stderr,
    connected: Promise.resolve(),
    ended: untilEnded(child, program, () => family?.end()),
    used: async () => family?.used(),
    write: (line) => void child.stdin.write(line),
    terminate: () => signalGroup(child, 'SIGTERM'),
    kill() {
      signalGroup(child, 'SIGKILL')
      void family?.end()
    },
    leave: () => void child.stdin.end(),
  }
}

/** A command line for a message: the words that a user knows it by, without settings in JSON. */
export function shortCommand(command: readonly string[]): string {
  const words = command.map((word) => {
    if (/^[{[]/.test(word)) return `${word[0]}…${word[0] === '{' ? '}' : ']'}`
    return word.length <= LONGEST_WORD ? word : `…${word.slice(-LONGEST_WORD)}`
  })
  return shortened(words.join(' '), LONGEST_NAME)
}

function neverStarted(name: string, ended: Promise<Ended>): Link {
  const nothing = (): void => {}
  const output = Readable.from([])
  return { name, output, connected: Promise.resolve(), ended, write: nothing, kill: nothing, leave: nothing }
}

async function notStarted(program: ChildProgram, cause: NodeJS.ErrnoException): Promise<Ended> {
  // Node refuses an argument that contains NUL; no file is at fault then.
  const explained = cause.code?.startsWith('ERR_') ? undefined : await explainStart(program)
  if (explained === undefined) return { how: `cannot start: ${cause.message}` }
  return { how: `cannot start: ${explained.what}`, remedy: explained.remedy }
}

/**
 * Resolves once the process has ended, its output was read and `sweep` has killed its descendants. A process that failed before
 * it wrote a byte may not have started at all: a shell or env found no program, or sh ran the file as a script.
 */
async function untilEnded(
  child: ChildProcessWithoutNullStreams,
  program: ChildProgram,
  sweep: () => Promise<void> | undefined,
): Promise<Ended> {
  let wrote = false
  child.stdout.once('data', () => {
    wrote = true
  })
  const { promise, resolve } = Promise.withResolvers<Error | readonly [number | null, string | null]>()
  child.once('error', resolve)
  child.once('exit', (code, signal) => resolve([code, signal]))
  const closed = once(child, 'close').catch(() => {})
  const end = await promise
  if (end instanceof Error) return notStarted(program, end)
  // No descendant outlives it: the next life needs the devices.
  await sweep()
  const over = new AbortController()
  await Promise.race([closed, sleep(DRAIN_MS, undefined, { signal: over.signal }).catch(() => {})])
  over.abort()
  const [code, signal] = end
  if (signal !== null) return { how: `was ended by ${signal}`, signal }
  const explained = wrote ? undefined : await explainStart(program)
  if (explained === undefined) return { how: `ended with code ${code}` }
  return { how: `ended with code ${code}: ${explained.what}`, remedy: explained.remedy }
}

function signalGroup(
  { pid, exitCode, signalCode }: ChildProcessWithoutNullStreams,
  signal: 'SIGTERM' | 'SIGKILL',
): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has just ended by itself.
  }
}
