// Checks how a trainer ends: at the end of its input, and on SIGTERM. Each check starts its own process, and kills it if it does
// not end.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChildProgram } from '#runtime/children/child-process.ts'
import { readTrainerLine } from '#worker/trainer/seam.ts'
import { type Finding, fine, note, wrong } from './findings.ts'

/** Time that a trainer has to end, in seconds; a pod kills it a little later. */
const LEAVING_SECONDS = 10

/** The exit code, or the signal that ended the process. */
type End = readonly [code: number | null, signal: NodeJS.Signals | null]

type Sign = 'EndOfInput' | 'SIGTERM'

/** Checks how the ready program ends on this sign. */
export async function judgeEnding(program: ChildProgram, sign: Sign, readySeconds: number): Promise<Finding> {
  const child = spawn(program.command[0], program.command.slice(1), {
    cwd: program.cwd,
    env: { ...program.env },
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  })
  child.stdin.on('error', () => {})
  const ended = once(child, 'exit').then(([code, signal]): End => [code, signal])
  ended.catch(() => {}) // the waiting call reports a program that cannot start
  try {
    const ready = new Promise<'Ready'>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = readTrainerLine(text)
        if (typeof line === 'object' && line.type === 'ready') resolve('Ready')
      })
    })
    if ((await first<'Ready' | End>([ready, ended], readySeconds)) !== 'Ready') {
      return wrong(
        'a second start of the trainer did not become ready',
        'release all locks and ports at the end, so that a second start works',
      )
    }
    if (sign === 'SIGTERM') child.kill('SIGTERM')
    else child.stdin.end()
    return judge(sign, await first([ended], LEAVING_SECONDS))
  } finally {
    endGroup(child.pid)
  }
}

/** The result of the first promise that settles; undefined after `seconds`. */
async function first<T>(waited: readonly Promise<T>[], seconds: number): Promise<T | undefined> {
  const over = new AbortController()
  const late = sleep(seconds * 1000, undefined, { signal: over.signal }).catch(() => undefined)
  return Promise.race([...waited, late]).finally(() => over.abort())
}

function judge(sign: Sign, end: End | undefined): Finding {
  const what = sign === 'SIGTERM' ? 'on SIGTERM' : 'at the end of its input'
  if (end === undefined) {
    const remedy =
      sign === 'SIGTERM'
        ? 'end the program on SIGTERM: an evicted pod waits for it, then kills it'
        : 'end the program when standard input ends: the run is over then'
    return wrong(
      `the trainer was still there ${LEAVING_SECONDS} s after ${what.replace(/^(on|at) /, '')}`,
      remedy,
    )
  }
  const [code, signal] = end
  if (sign === 'SIGTERM' || code === 0) return fine(`it ends ${what}`)
  const how = signal ?? `code ${code}`
  return note(`it ends ${what} with ${how}`, 'end with code 0 where the input ends')
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // The process has already ended.
  }
}
