// A trainer's process as a child of ours, joined by pipes: on one machine.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type Family, followFamily, LIFE_VARIABLE } from './family.ts'
import type { Link } from './link.ts'

export interface TrainerProgram {
  /** What messages call it; its command line, shortened, unless given. */
  readonly name?: string
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** After its process ended, output that somebody else still holds open is waited for this long. Real milliseconds. */
const DRAIN_MS = 1000

/** Starts the process. */
export function spawnTrainer({ command, env, cwd }: TrainerProgram): Link {
  const life = randomBytes(8).toString('hex')
  // A group of its own: ending it ends what it started, and a Ctrl-C in the terminal is for us to pass on.
  const child = spawn(command[0], command.slice(1), {
    cwd,
    env: { ...env, [LIFE_VARIABLE]: life },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  child.stdin.on('error', () => {}) // its end says it
  const family: Family | undefined = child.pid === undefined ? undefined : followFamily(child.pid, life)
  // Nothing that it started outlives it: the next life needs the devices.
  const swept = once(child, 'exit').then(
    () => family?.end(),
    () => {},
  )
  return {
    name: command.join(' '),
    output: child.stdout,
    errors: child.stderr,
    connected: Promise.resolve(),
    ended: untilEnded(child).then(async (how) => {
      await swept
      return how
    }),
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

/** Resolves with how it ended, once its output was read. */
function untilEnded(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (cause) => resolve(`cannot be started: ${cause.message}`))
    child.once('exit', (code, signal) => {
      const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
      const late = setTimeout(resolve, DRAIN_MS, how)
      child.once('close', () => {
        clearTimeout(late)
        resolve(how)
      })
    })
  })
}

function signalGroup(
  { pid, exitCode, signalCode }: ChildProcessWithoutNullStreams,
  signal: 'SIGTERM' | 'SIGKILL',
): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It ended by itself at this moment.
  }
}
