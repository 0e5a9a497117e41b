// One life of a strategy's program: its start, its calls in their order, its end. Guarantees that every wait ends: with a call, with
// the end of the process, or after noProgressSeconds without output and processor time while the program has no call open.
import { sha256 } from '#protocol/digest.ts'
import { PROGRAM_LIFE } from '#protocol/environment.ts'
import { spawnChild } from '#runtime/children/child-process.ts'
import { LONGEST_LINE, LONGEST_LOG_LINE, readLines } from '#runtime/children/lines.ts'
import { endMarked } from '#runtime/children/process-family.ts'
import type { Ended } from '#runtime/children/process-link.ts'
import type { ProgramContext } from './context.ts'
import { type Call, type LineToProgram, type Note, programFailed, readProgramLine } from './seam.ts'

/** How a life ended before its result: by a signal, after which the program may start again, or in any other way. */
export type LifeEnd =
  | { readonly kind: 'Signal'; readonly how: string }
  | { readonly kind: 'Failed'; readonly message: string; readonly remedy: string }

export interface Life {
  /** The next call of the program, or its end. */
  next(): Promise<{ readonly kind: 'Call'; readonly call: Call } | LifeEnd>
  answer(line: LineToProgram): void
  /** The work; rejects at once where the program fails meanwhile. After a signal the work goes on, for the next life. */
  unlessFailed<T>(work: Promise<T>): Promise<T>
  /** Ends its input, and waits for its end: after a while with SIGTERM, then with SIGKILL. */
  leave(): Promise<void>
  /** Kills it and its descendants, and waits for their end. */
  kill(): Promise<void>
}

/** Time that a program has to end after the end of its input, and again after SIGTERM, before the next signal. Seconds. */
const LEAVING = 10
const TERMINATING = 5
/** How often the processor time of a silent program is measured within noProgressSeconds, and at least every so many seconds. */
const LOOKS = 4
const LONGEST_LOOK = 15
/** Processor time that counts as progress, in seconds: more than the timers of a waiting process use. */
const WORK_SECONDS = 0.05
/** Letters of the program's last line on standard error that a message quotes. */
const LONGEST_WORDS = 300

/** The word that marks all processes of the program: its folder belongs to one run. */
const wordOf = ({ folder }: ProgramContext['program']): string => sha256(folder).slice(0, 16)

/** Ends processes of earlier lives: a coordinator that was killed could not. */
export function endEarlierLives(program: ProgramContext['program']): Promise<void> {
  return endMarked(`${PROGRAM_LIFE.life.name}=${wordOf(program)}`)
}

/** Starts the program in its folder. `onNote` gets its hints, in their order with the calls. */
export function startLife(
  { program, clock, log }: Pick<ProgramContext, 'program' | 'clock' | 'log'>,
  start: Extract<LineToProgram, { type: 'start' }>,
  onNote: (note: Extract<Note, { type: 'ready' | 'round' }>) => void,
): Life {
  const link = spawnChild({ ...program, cwd: program.folder }, PROGRAM_LIFE.life, wordOf(program))
  const waiting: Call[] = []
  let wake: () => void = () => {}
  let end: LifeEnd | undefined
  let failure: { readonly message: string; readonly remedy: string } | undefined
  let lastWords = ''
  let heardAt = clock.now()
  let open = 0
  const over = new AbortController()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {}) // next() reports the failure, too

  const fail = (message: string, remedy = ''): void => {
    failure ??= { message: `the program ${link.name} ${message}`, remedy }
    link.kill()
  }
  const take = (text: string): void => {
    const line = readProgramLine(text)
    if (line === undefined) log(text.slice(0, LONGEST_LOG_LINE))
    else if (line.kind === 'Unreadable')
      fail(`wrote a line that cannot be read (${line.why}): ${text.slice(0, 500)}`, SEAM_REMEDY)
    else if (line.kind === 'Call') {
      open += 1
      waiting.push(line.call)
      wake()
    } else if (line.note.type !== 'error') onNote(line.note)
    else {
      const { message, remedy } = line.note
      fail(`reported an error: ${message}`, remedy ?? '')
    }
  }
  const finish = (ended: Ended): void => {
    end = endOf(ended)
    if (end.kind === 'Failed') failed.reject(failedBy(end))
    over.abort('ended')
    wake()
  }
  const endOf = ({ how, remedy, signal }: Ended): LifeEnd => {
    if (failure !== undefined) return { kind: 'Failed', ...failure }
    const words = lastWords === '' ? '' : `; the last line of its standard error: ${lastWords}`
    const message = `the program ${link.name} ${how}${words}`
    if (signal !== undefined) return { kind: 'Signal', how: message }
    return {
      kind: 'Failed',
      message: `${message}${words === '' ? ', before its result' : ''}`,
      remedy: remedy ?? '',
    }
  }
  /** While a call is open, the program waits for the coordinator, which has deadlines of its own. */
  const watch = async (): Promise<void> => {
    const { noProgressSeconds } = program
    let usedBefore = 0
    while (!over.signal.aborted) {
      const silent = clock.now() - heardAt
      if (open === 0 && silent >= noProgressSeconds)
        return fail(`was ended: it wrote nothing and used no processor time for ${noProgressSeconds} s`)
      await clock.sleep(Math.min(noProgressSeconds / LOOKS, LONGEST_LOOK), over.signal)
      const used = await link.used?.()
      if (open > 0 || (used !== undefined && used - usedBefore >= WORK_SECONDS)) heardAt = clock.now()
      usedBefore = Math.max(usedBefore, used ?? 0)
    }
  }

  const onBytes = (): void => {
    heardAt = clock.now()
  }
  const onTooLong = (beginning: string): void => {
    fail(
      `wrote a line of more than ${LONGEST_LINE} bytes to standard output: ${beginning}`,
      'end each line with a line feed, and write contents and long lists to files',
    )
    link.output.destroy()
  }
  readLines(link.output, { most: LONGEST_LINE, onLine: take, onTooLong, onBytes })
  if (link.errors !== undefined) {
    const onLine = (text: string): void => {
      if (text.trim() !== '') lastWords = text.trim().slice(0, LONGEST_WORDS)
      log(text)
    }
    readLines(link.errors, { most: LONGEST_LOG_LINE, onLine, onBytes })
  }
  const ended = link.ended.then(finish)
  void watch()
  link.write(`${JSON.stringify(start)}\n`)
  return {
    async next() {
      for (;;) {
        // A call counts also where the process ended after it.
        const call = waiting.shift()
        if (call !== undefined) return { kind: 'Call', call }
        if (end !== undefined) return end
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    answer(line) {
      open -= 1
      heardAt = clock.now()
      link.write(`${JSON.stringify(line)}\n`)
    },
    unlessFailed: (work) => Promise.race([work, failed.promise]),
    async leave() {
      link.leave()
      await Promise.race([ended, clock.sleep(LEAVING, over.signal)])
      if (end === undefined) link.terminate?.()
      await Promise.race([ended, clock.sleep(TERMINATING, over.signal)])
      if (end === undefined) link.kill()
      await ended
    },
    async kill() {
      if (end === undefined) link.kill()
      await ended
    },
  }
}

const SEAM_REMEDY = 'write the lines as docs/strategy-seam.md describes them'

/** The error of a run whose program ended in this way. */
export function failedBy({ message, remedy }: Extract<LifeEnd, { kind: 'Failed' }>): Error {
  return programFailed(message, remedy)
}
