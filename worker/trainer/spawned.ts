// A trainer's process as a child of ours, joined by pipes: on one machine.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { Link } from './link.ts'

export interface TrainerProgram {
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** After its process ended, output that somebody else still holds open is waited for this long. Real milliseconds. */
const DRAIN_MS = 1000

/** Starts the process. */
export function spawnTrainer({ command, env, cwd }: TrainerProgram): Link {
  // A group of its own: ending it ends what it started, and a Ctrl-C in the terminal is for us to pass on.
  const child = spawn(command[0], command.slice(1), {
    cwd,
    env: { ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  child.stdin.on('error', () => {}) // its end says it
  return {
    name: command.join(' '),
    output: child.stdout,
    errors: child.stderr,
    connected: Promise.resolve(),
    ended: untilEnded(child),
    write: (line) => void child.stdin.write(line),
    terminate: () => signalGroup(child, 'SIGTERM'),
    kill: () => signalGroup(child, 'SIGKILL'),
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
