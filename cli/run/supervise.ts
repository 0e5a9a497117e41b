// Keeps one program running until it ends well: what a cluster does for a pod, on a laptop. Restarts with a growing pause.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'

export interface SuperviseOptions {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  /** Takes the program's standard output. */
  readonly onLine: (line: string) => void
  /** Takes its standard error, and what the supervision has to say. */
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}

/** Starts without a day's pause in between before the supervision gives up. */
const MOST_RESTARTS = 20
/** Exit codes that a restart cannot cure. */
const FINAL = Object.values(POD_EXITS).flatMap(({ code, action }) => (action === 'FailJob' ? [code] : []))
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000

/** Resolves when the program ended with 0 or was asked to stop. Throws RunFailed for an exit code that a restart cannot cure. */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const { name, log, signal } = options
  for (let restarts = 0; !signal.aborted; restarts += 1) {
    const { code, ended } = await runOnce(options)
    if (code === 0 || signal.aborted) return
    if (code !== null && FINAL.includes(code)) throw new FedsamError('RunFailed', `${name} ended with code ${code}`, { remedy: 'see its log' })
    if (restarts >= MOST_RESTARTS) throw new FedsamError('RunFailed', `${name} ended ${restarts} times`, { remedy: 'see its log' })
    log(`ended (${ended}); starting again`)
    const wait = Math.min(FIRST_PAUSE_MS * 2 ** restarts, LONGEST_PAUSE_MS)
    await pause(wait, undefined, { signal }).catch(() => {})
  }
}

function runOnce(options: SuperviseOptions): Promise<{ code: number | null; ended: string }> {
  const { command, env, onLine, log, signal } = options
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), { env: { ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    createInterface({ input: child.stdout }).on('line', onLine)
    createInterface({ input: child.stderr }).on('line', log)
    let timer: NodeJS.Timeout | undefined
    const stop = (): void => {
      child.kill('SIGTERM')
      timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    }
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    child.once('error', reject)
    child.once('close', (code, by) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      resolve({ code, ended: by === null ? `code ${code}` : by })
    })
  })
}
