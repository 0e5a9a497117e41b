// Keeps one program running until it ends well: what a cluster does for a pod, on a laptop. Restarts with a growing pause.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { FedsamError } from '#protocol/errors.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { type Backoff, pauseAfter } from '#runtime/backoff.ts'
import { systemClock } from '#runtime/clock.ts'

export interface SuperviseOptions {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  /** Takes the program's standard output. */
  readonly onLine: (line: string) => void
  /** Takes its standard error, and what the supervision has to say. */
  readonly log: (line: string) => void
  readonly signal: AbortSignal
  /** The pauses before restarts. */
  readonly backoff?: Backoff
}

/** Failures in a row before the supervision gives up; a program that ran well for a while begins a new row. */
const MOST_FAILURES = 10
const WELL_SECONDS = 60
/** Exit codes that a restart cannot cure. */
const FINAL = Object.values(POD_EXITS).flatMap(({ code, action }) => (action === 'FailJob' ? [code] : []))
/** Seconds before a restart. */
const BACKOFF = { first: 0.1, longest: 5 }
/** How long a program that was asked to stop may take. */
const STOPPING_MS = 10_000

/**
 * Resolves when the program ended with 0 or was asked to stop. Throws RunFailed, with the last words of its standard error,
 * for an exit code that a restart cannot cure and for too many failures in a row.
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const { name, log, signal, backoff = BACKOFF } = options
  const clock = systemClock()
  for (let failures = 0; !signal.aborted; ) {
    const began = clock.now()
    const { code, ended, lastWords } = await runOnce(options)
    if (code === 0 || signal.aborted) return
    failures = clock.now() - began > WELL_SECONDS ? 1 : failures + 1
    if ((code !== null && FINAL.includes(code)) || failures >= MOST_FAILURES) {
      const often = failures > 1 ? `, ${failures} times in a row` : ''
      throw new FedsamError('RunFailed', `${name} ended (${ended}${often}): ${lastWords}`, {
        remedy: 'see its log',
      })
    }
    log(`ended (${ended}); starting again`)
    await clock.sleep(pauseAfter(failures, backoff), signal)
  }
}

interface Ended {
  readonly code: number | null
  readonly ended: string
  readonly lastWords: string
}

function runOnce({ command, env, onLine, log, signal }: SuperviseOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // Its standard input stays open as long as this process lives: that is how it learns that nobody wants it any more. A group
    // of its own: a Ctrl-C in the terminal is for us, and we ask it to stop.
    const child = spawn(command[0], command.slice(1), {
      env: { ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    let lastWords = ''
    createInterface({ input: child.stdout }).on('line', onLine)
    createInterface({ input: child.stderr }).on('line', (line) => {
      lastWords = messageOf(line)
      log(lastWords)
    })
    child.stdin.on('error', () => {})
    let late: NodeJS.Timeout | undefined
    const stop = (): void => {
      child.kill('SIGTERM')
      late = setTimeout(() => child.kill('SIGKILL'), STOPPING_MS)
    }
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    child.once('error', reject)
    child.once('close', (code, by) => {
      clearTimeout(late)
      signal.removeEventListener('abort', stop)
      resolve({ code, ended: by === null ? `code ${code}` : by, lastWords })
    })
  })
}

/** Programs end with their reason as one JSON line (runtime/process.ts); people read its message. */
function messageOf(line: string): string {
  if (!line.startsWith('{"code":')) return line
  try {
    const { message, remedy } = JSON.parse(line) as { message: string; remedy: string }
    return remedy === '' ? message : `${message}; ${remedy}`
  } catch {
    return line
  }
}
