// Follows one life of a trainer's process: its start, its calls one after the other, its end. Guarantees that every call ends:
// with the answer, with the trainer's own error, with the end of the process, or after noProgressSeconds without output and
// processor time. A line of a trainer takes at most LONGEST_LINE bytes of memory. The link (runtime/children/process-link.ts) hides whether the
// process is a child or runs in another container.
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import { LONGEST_LINE, LONGEST_LOG_LINE, readLines } from '#runtime/children/lines.ts'
import type { Ended, Link } from '#runtime/children/process-link.ts'
import type { Clock } from '#runtime/clock.ts'
import {
  type Answer,
  type Progress,
  readTrainerLine,
  type TrainerCall,
  type TrainerLine,
  type TrainerReady,
} from './seam.ts'

export interface LifeOptions {
  /** A trainer without output and processor time for this long, before it is ready or during a call, is killed. Seconds. */
  readonly noProgressSeconds: number
  readonly clock: Clock
  /** Takes the trainer's own output, line by line. */
  readonly log: (line: string) => void
}

export interface Running {
  readonly ready: Promise<TrainerReady>
  /** Resolves when the process has ended and its output was read. */
  readonly ended: Promise<void>
  hasEnded(): boolean
  /** Makes a call and resolves to its answer. Throws the trainer's own error, or TrainerFailed. */
  ask(call: TrainerCall): Promise<Exclude<Answer, { type: 'error' }>>
  /** Kills it and its descendants. A call that waits fails for this reason. */
  kill(reason: string): void
  /** Closes its input: the sign for a trainer to end. */
  leave(): void
  /** Sends SIGTERM, where this process may signal the trainer. */
  terminate(): void
}

const CODES: readonly string[] = [
  'BadData',
  'BadCheckpoint',
  'InvalidJob',
  'NoAccelerator',
  'TrainerFailed',
] satisfies ErrorCode[]

/** Different messages about dropped metrics in the log, per process: bounds the log of a trainer that invents names. */
const MOST_NOTES = 100
/**
 * How often a silent trainer's processor time is measured: this many times within noProgressSeconds, and at least every so many
 * seconds.
 */
const LOOKS = 4
const LONGEST_LOOK = 15
/** Characters of a trainer's last line on standard error that a message quotes: the last line of a traceback is its reason. */
const LONGEST_WORDS = 300
/** Processor time that counts as progress, in seconds: more than the timers of a waiting process use. */
const WORK_SECONDS = 0.05

/** Calls count from 1. */
const OPENING = 0

/** A wait for the trainer to be ready, or for the answer to a call. */
interface Waiting extends PromiseWithResolvers<Exclude<TrainerLine, { type: 'progress' | 'error' }>> {
  readonly id: number
}

const waitingFor = (id: number): Waiting => {
  const waiting = { id, ...Promise.withResolvers<Exclude<TrainerLine, { type: 'progress' | 'error' }>>() }
  waiting.promise.catch(() => {}) // the caller handles the failure
  return waiting
}

/** Follows the process at the other end of the link, from its start. */
export function launch(link: Link, options: LifeOptions, onProgress: (line: Progress) => void): Running {
  const { clock, log, noProgressSeconds } = options
  const opening = waitingFor(OPENING)
  let waiting: Waiting | null = opening
  let heardAt = clock.now()
  let usedBefore = 0
  let isMeasured = false
  let lastWords = ''
  let remedy = 'see its log'
  let killedFor: string | undefined
  let over = false

  const fail = (error: FedsamError): void => {
    waiting?.reject(error)
    waiting = null
  }
  const kill = (reason: string): void => {
    killedFor ??= reason
    link.kill()
  }
  const settle = (line: Exclude<TrainerLine, { type: 'progress' }>): void => {
    const id = line.type === 'ready' ? OPENING : (line.id ?? waiting?.id)
    // The answer to a cancelled call comes too late: ignore it.
    if (id !== waiting?.id) return
    if (line.type === 'error') waiting?.reject(trainerError(line))
    else waiting?.resolve(line)
    waiting = null
  }
  const noted = new Set<string>()
  const noteOnce = (sentence: string): void => {
    if (noted.size >= MOST_NOTES || noted.has(sentence)) return
    noted.add(sentence)
    log(sentence)
  }
  const take = (text: string): void => {
    const line = readTrainerLine(text, noteOnce)
    if (line === undefined) log(text.slice(0, LONGEST_LOG_LINE))
    else if (line === 'Unreadable') fail(unreadable(text))
    else if (line.type === 'progress') onProgress(line)
    else settle(line)
  }
  const finish = ({ how, remedy: cure }: Ended): void => {
    if (over) return
    over = true
    const words =
      lastWords === '' ? '' : `; the last line of its output: ${lastWords.slice(0, LONGEST_WORDS)}`
    const why = killedFor === undefined ? `${how}${words}` : `was ended: ${killedFor}`
    fail(new FedsamError('TrainerFailed', `the trainer ${link.name} ${why}`, { remedy: cure ?? remedy }))
  }
  /** Processor time of any of the trainer's processes counts as progress. */
  const look = async (): Promise<void> => {
    const used = await link.used?.()
    isMeasured = used !== undefined
    if (used === undefined || used - usedBefore < WORK_SECONDS) return
    usedBefore = used
    heardAt = clock.now()
  }
  const watch = async (watched: Waiting): Promise<void> => {
    const answered = new AbortController()
    const stop = (): void => answered.abort('answered')
    watched.promise.then(stop, stop)
    const isOver = (): boolean => waiting !== watched || killedFor !== undefined
    const step = Math.min(noProgressSeconds / LOOKS, LONGEST_LOOK)
    while (!isOver()) {
      const silent = clock.now() - heardAt
      if (silent >= noProgressSeconds) {
        const idle = isMeasured ? ' and used no processor time' : ''
        return kill(`it wrote nothing${idle} for ${noProgressSeconds} s`)
      }
      await clock.sleep(Math.min(step, noProgressSeconds - silent), answered.signal)
      if (!isOver()) await look()
    }
  }

  const onBytes = (): void => {
    heardAt = clock.now()
  }
  const onTooLong = (beginning: string): void => {
    remedy = 'end each line with a line feed; write tensors to files, and long output to standard error'
    kill(`it wrote a line of more than ${LONGEST_LINE} bytes to standard output: ${beginning}`)
    link.output.destroy()
  }
  readLines(link.output, { most: LONGEST_LINE, onLine: take, onTooLong, onBytes })
  if (link.errors !== undefined) {
    const onLine = (text: string): void => {
      if (text.trim() !== '') lastWords = text.trim()
      log(text)
    }
    readLines(link.errors, { most: LONGEST_LOG_LINE, onLine, onBytes })
  }
  const ended = link.ended.then(finish)
  // Before its container runs, a trainer cannot be silent.
  void link.connected.then(() => {
    heardAt = clock.now()
    return watch(opening)
  })
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
    terminate: () => link.terminate?.(),
    leave: link.leave,
    async ask(call) {
      if (over || killedFor !== undefined)
        throw new FedsamError('TrainerFailed', `the trainer ${link.name} has ended, so it cannot take a call`)
      const asked = waitingFor(call.id)
      waiting = asked
      heardAt = clock.now()
      link.write(`${JSON.stringify(call)}\n`)
      void watch(asked)
      return (await asked.promise) as Exclude<Answer, { type: 'error' }>
    },
  }
}

function unreadable(line: string): FedsamError {
  return new FedsamError(
    'TrainerFailed',
    `the trainer wrote a line that cannot be read: ${line.slice(0, 500)}`,
    {
      remedy: 'write the lines as docs/trainer-seam.md describes them',
    },
  )
}

function trainerError(line: Extract<TrainerLine, { type: 'error' }>): FedsamError {
  const code = CODES.includes(line.code) ? (line.code as ErrorCode) : 'TrainerFailed'
  return new FedsamError(code, line.message, line.remedy === '' ? {} : { remedy: line.remedy })
}
