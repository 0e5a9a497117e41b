// The command line as its users start it, for tests: a process, its output, its exit code.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface StartOptions {
  /** Beside this process's own environment. */
  readonly env?: Readonly<Record<string, string>>
  /** The command line that starts another one, for example in another network; the process becomes the program. */
  readonly inside?: (command: readonly string[]) => readonly [string, ...string[]]
  readonly onStart?: (child: ChildProcess) => void
  /** Hears standard output while it runs. */
  readonly onLine?: (line: string, child: ChildProcess) => void
}

/** Starts `fedsam ARGS` in a folder and waits for its end. */
export function startFedsam(
  cwd: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Ended> {
  const { onLine = () => {}, onStart = () => {}, env = {} } = options
  const command = [process.execPath, `${ROOT}cli/fedsam.js`, ...args] as const
  const [program, ...words] = options.inside?.(command) ?? command
  const child = spawn(program, words, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onStart(child)
  let stdout = ''
  let stderr = ''
  let rest = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop()!
    for (const line of lines) onLine(line, child)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** A job of milliseconds over three partitions, with the quadratic trainer as its Command. */
export function toyJob(rounds: number): string {
  const trainer = JSON.stringify(['node', `${ROOT}test/trainers/quadratic-main.ts`, 'toy', '1000'])
  return `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: toy}
spec:
  rounds: ${rounds}
  trainer: {type: Command, command: {command: ${trainer}}}
  partitions: [{name: site-a}, {name: site-b}, {name: site-c}]
`
}
