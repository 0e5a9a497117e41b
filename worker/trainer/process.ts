// One life of a trainer's process: its start, one call after the other, its end. Promises that every call ends: with the
// answer, with the trainer's own error, when the process ends, or when it reported nothing for noProgressSeconds.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import type { Clock } from '#transport/clock.ts'
import {
  type Answer,
  type Progress,
  readTrainerLine,
  type TrainerCall,
  type TrainerLine,
  type TrainerReady,
} from './seam.ts'

export interface ChildTrainerOptions {
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** A trainer that writes nothing for so long, before it is ready or during a call, has failed. Seconds. */
  readonly noProgressSeconds: number
  readonly clock: Clock
  /** Takes the trainer's own output, line by line. */
  readonly log: (line: string) => void
}

export interface Running {
  readonly ready: Promise<TrainerReady>
  /** Resolves when the process and its output have ended. */
  readonly ended: Promise<void>
  hasEnded(): boolean
  /** The answer to a call, which is never an error's. Throws FedsamError: the trainer's, or TrainerFailed. */
  ask(call: TrainerCall): Promise<Exclude<Answer, { type: 'error' }>>
  /** Ends it, with everything that it started. What waits for it fails for this reason. */
  kill(reason: string): void
  /** The end of its input is a trainer's sign to leave. */
  leave(): void
}

const CODES: readonly string[] = [
  'BadData',
  'BadCheckpoint',
  'InvalidJob',
  'NoAccelerator',
  'TrainerFailed',
] satisfies ErrorCode[]

/** After its process ended, output that somebody else still holds open is waited for this long. Real milliseconds. */
const DRAIN_MS = 1000

/** Calls count from 1. */
const OPENING = 0

/** What is waited for: that it is ready, or the answer to a call. */
interface Waiting extends PromiseWithResolvers<Exclude<TrainerLine, { type: 'progress' | 'error' }>> {
  readonly id: number
}

const waitingFor = (id: number): Waiting => {
  const waiting = { id, ...Promise.withResolvers<Exclude<TrainerLine, { type: 'progress' | 'error' }>>() }
  waiting.promise.catch(() => {}) // whoever asked hears it
  return waiting
}

/** Starts the process. */
export function launch(options: ChildTrainerOptions, onProgress: (line: Progress) => void): Running {
  const { command, cwd, clock, log, noProgressSeconds } = options
  // A group of its own: ending it ends what it started, and a Ctrl-C in the terminal is for us to pass on.
  const child = spawn(command[0], command.slice(1), {
    cwd,
    env: { ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const opening = waitingFor(OPENING)
  let waiting: Waiting | null = opening
  let heardAt = clock.now()
  let killedFor: string | undefined
  let over = false

  const fail = (error: FedsamError): void => {
    waiting?.reject(error)
    waiting = null
  }
  const kill = (reason: string): void => {
    killedFor ??= reason
    endGroup(child)
  }
  const settle = (line: Exclude<TrainerLine, { type: 'progress' }>): void => {
    const id = line.type === 'ready' ? OPENING : (line.id ?? waiting?.id)
    // A late answer to a call that was given up answers nothing.
    if (id !== waiting?.id) return
    if (line.type === 'error') waiting?.reject(trainerError(line))
    else waiting?.resolve(line)
    waiting = null
  }
  const take = (text: string): void => {
    heardAt = clock.now()
    const line = readTrainerLine(text)
    if (line === undefined) log(text)
    else if (line === 'Unreadable') fail(unreadable(text))
    else if (line.type === 'progress') onProgress(line)
    else settle(line)
  }
  const finish = (what: string): void => {
    if (over) return
    over = true
    const why = killedFor === undefined ? what : `was ended: ${killedFor}`
    fail(
      new FedsamError('TrainerFailed', `the trainer ${command.join(' ')} ${why}`, { remedy: 'see its log' }),
    )
  }
  const watch = async (watched: Waiting): Promise<void> => {
    while (waiting === watched && killedFor === undefined) {
      const silent = clock.now() - heardAt
      if (silent >= noProgressSeconds) return kill(`it reported nothing for ${noProgressSeconds} s`)
      const answered = new AbortController()
      const stop = (): void => answered.abort()
      watched.promise.then(stop, stop)
      await clock.sleep(noProgressSeconds - silent, answered.signal)
    }
  }

  createInterface({ input: child.stdout }).on('line', take)
  createInterface({ input: child.stderr }).on('line', (text) => {
    heardAt = clock.now()
    log(text)
  })
  child.stdin.on('error', () => {}) // its end is reported below
  const ended = untilEnded(child).then(finish)
  void watch(opening)
  const ready = opening.promise.then((line) => {
    const { dataset, backend } = line as Extract<TrainerLine, { type: 'ready' }>
    return { dataset, backend }
  })
  ready.catch(() => {})
  return {
    ready,
    ended,
    hasEnded: () => over,
    kill,
    leave: () => child.stdin.end(),
    async ask(call) {
      if (over || killedFor !== undefined) throw new FedsamError('TrainerFailed', 'the trainer has ended')
      const asked = waitingFor(call.id)
      waiting = asked
      heardAt = clock.now()
      child.stdin.write(`${JSON.stringify(call)}\n`)
      void watch(asked)
      return (await asked.promise) as Exclude<Answer, { type: 'error' }>
    },
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

function endGroup({ pid, exitCode, signalCode }: ChildProcessWithoutNullStreams): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself at this moment.
  }
}

function unreadable(line: string): FedsamError {
  return new FedsamError(
    'TrainerFailed',
    `the trainer wrote a line that cannot be read: ${line.slice(0, 500)}`,
    {
      remedy: 'docs/trainer-seam.md describes the lines; a number must be finite',
    },
  )
}

function trainerError(line: Extract<TrainerLine, { type: 'error' }>): FedsamError {
  const code = CODES.includes(line.code) ? (line.code as ErrorCode) : 'TrainerFailed'
  return new FedsamError(code, line.message, { remedy: line.remedy })
}
