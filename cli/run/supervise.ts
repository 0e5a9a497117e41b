// Keeps one program running until it succeeds, as a cluster does for a pod: restarts it after failures, with growing pauses.
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
  /** Receives the lines of the program's standard output. */
  readonly onLine: (line: string) => void
  /** Receives the lines of its standard error, and reports of restarts. */
  readonly log: (line: string) => void
  readonly signal: AbortSignal
  /** The pauses before restarts. */
  readonly backoff?: Backoff
}

/** Failures in a row before the supervision gives up. */
const MOST_FAILURES = 10
/** Seconds that a program must run so that its failure counts as the first one again. */
const WELL_SECONDS = 60
/** Exit codes after which a restart cannot help. */
const FINAL = Object.values(POD_EXITS).flatMap(({ code, action }) => (action === 'FailJob' ? [code] : []))
/** Seconds before a restart. */
const BACKOFF = { first: 0.1, longest: 5 }
/** Time that a program has to end after SIGTERM, in milliseconds. */
const STOPPING_MS = 10_000

/**
 * Resolves when the program ended with 0 or was asked to stop. Throws RunFailed with the last line of its standard error, for an
 * exit code after which a restart cannot help, and for too many failures in a row.
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
        remedy: `read the lines [${name}] above, correct the cause, and start the job again`,
      })
    }
    log(`ended (${ended}); restarting`)
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
    // The program ends when its standard input closes, which happens when this process ends. It has its own process group, so
    // Ctrl-C in the terminal reaches only this process, which then stops it.
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

/** A program writes its reason as one JSON line (runtime/run-program.ts); this is its message. */
function messageOf(line: string): string {
  if (!line.startsWith('{"code":')) return line
  try {
    const { message, remedy } = JSON.parse(line) as { message: string; remedy: string }
    return remedy === '' ? message : `${message}; ${remedy}`
  } catch {
    return line
  }
}
