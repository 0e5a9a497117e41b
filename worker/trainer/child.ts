// A trainer in a process of its own, so that it may block for minutes, crash, or be ended. Speaks the seam over its standard
// input and output; whatever else it prints is passed on as its log.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import type { Clock } from '#transport/clock.ts'
import { type Progress, readTrainerLine, type Trainer, type TrainerCall, type TrainerLine, type TrainerReady } from './seam.ts'

export interface ChildTrainerOptions {
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** A trainer that writes nothing for so long during a call has failed. Seconds. */
  readonly noProgressSeconds: number
  readonly clock: Clock
  /** Takes the trainer's own output, line by line. */
  readonly log: (line: string) => void
}

const ERROR_CODES: readonly string[] = ['BadData', 'BadCheckpoint', 'InvalidJob', 'NoAccelerator', 'TrainerFailed'] satisfies ErrorCode[]

type Answer = Extract<TrainerLine, { id?: number | undefined }>

/** One running process, and what it waits for. */
interface Running {
  readonly process: ChildProcess
  readonly ready: Promise<TrainerReady>
  /** Resolves with the answer of the call that runs; rejects when the process ends. */
  ask(call: TrainerCall): Promise<Answer>
  readonly ended: Promise<void>
}

/** The trainer; its process starts with the first call. */
export function childTrainer(options: ChildTrainerOptions): Trainer {
  let running: Running | null = null
  let progress: Progress | null = null
  let nextId = 1
  const start = (): Running => {
    running ??= launch(options, {
      onProgress: (line) => {
        progress = line
      },
      onEnd: () => {
        running = null
      },
    })
    return running
  }
  const call = async (make: (id: number) => TrainerCall): Promise<Answer> => {
    const child = start()
    await child.ready
    progress = null
    const answer = await child.ask(make(nextId++)).finally(() => {
      progress = null
    })
    if (answer.type === 'error') throw trainerError(answer)
    return answer
  }
  const unexpected = (answer: Answer): FedsamError =>
    new FedsamError('TrainerFailed', `the trainer answered ${answer.type}, which was not asked`)

  return {
    ready: () => start().ready,
    async getParameters(output) {
      const answer = await call((id) => ({ id, call: 'get_parameters', output }))
      if (answer.type !== 'parameters') throw unexpected(answer)
    },
    async fit(tensors, output, config) {
      const answer = await call((id) => ({ id, call: 'fit', tensors, output, config }))
      if (answer.type !== 'fitted') throw unexpected(answer)
      return { numExamples: answer.num_examples, metrics: answer.metrics }
    },
    async evaluate(tensors, config) {
      const answer = await call((id) => ({ id, call: 'evaluate', tensors, config }))
      if (answer.type !== 'evaluated') throw unexpected(answer)
      return { loss: answer.loss, numExamples: answer.num_examples, metrics: answer.metrics }
    },
    progress: () => progress,
    async cancel() {
      const child = running
      child?.process.kill('SIGKILL')
      await child?.ended
    },
    async close() {
      const child = running
      if (child === null) return
      // The end of its input is a trainer's sign to leave; one that does not is ended.
      child.process.stdin?.end()
      const timer = setTimeout(() => child.process.kill('SIGKILL'), 2000)
      await child.ended
      clearTimeout(timer)
    },
  }
}

interface Hooks {
  onProgress(line: Progress): void
  onEnd(): void
}

function launch(options: ChildTrainerOptions, hooks: Hooks): Running {
  const { command, cwd, clock, log, noProgressSeconds } = options
  const child = spawn(command[0], command.slice(1), { cwd, env: { ...options.env }, stdio: ['pipe', 'pipe', 'pipe'] })
  const ready = Promise.withResolvers<TrainerReady>()
  const ended = Promise.withResolvers<void>()
  let pending: PromiseWithResolvers<Answer> | null = null
  let heardAt = clock.now()
  ready.promise.catch(() => {})

  const fail = (error: FedsamError): void => {
    ready.reject(error)
    pending?.reject(error)
    pending = null
  }
  const take = (text: string): void => {
    heardAt = clock.now()
    const line = readTrainerLine(text)
    if (line === undefined) log(text)
    else if (line.type === 'ready') ready.resolve({ dataset: line.dataset, backend: line.backend })
    else if (line.type === 'progress') hooks.onProgress(line)
    else if (line.type === 'error' && line.id === undefined) fail(trainerError(line))
    else pending?.resolve(line)
  }
  createInterface({ input: child.stdout }).on('line', take)
  createInterface({ input: child.stderr }).on('line', (text) => {
    heardAt = clock.now()
    log(text)
  })
  child.stdin.on('error', () => {}) // its end is reported below
  const finish = (what: string): void => {
    fail(new FedsamError('TrainerFailed', `the trainer ${command.join(' ')} ${what}`, { remedy: 'see its log' }))
    hooks.onEnd()
    ended.resolve()
  }
  child.once('error', (cause) => finish(`cannot be started: ${cause.message}`))
  child.once('close', (code, signal) => finish(signal === null ? `ended with code ${code}` : `was ended by ${signal}`))

  const watch = async (call: PromiseWithResolvers<Answer>): Promise<void> => {
    while (pending === call) {
      const silent = clock.now() - heardAt
      if (silent >= noProgressSeconds) {
        fail(new FedsamError('TrainerFailed', `the trainer reported nothing for ${noProgressSeconds} s`))
        child.kill('SIGKILL')
        return
      }
      const looking = new AbortController()
      const over = (): void => looking.abort()
      call.promise.then(over, over)
      await clock.sleep(noProgressSeconds - silent, looking.signal)
    }
  }
  return {
    process: child,
    ready: ready.promise,
    ended: ended.promise,
    ask(call) {
      const answer = Promise.withResolvers<Answer>()
      pending = answer
      heardAt = clock.now()
      child.stdin.write(`${JSON.stringify(call)}\n`)
      void watch(answer)
      return answer.promise.finally(() => {
        if (pending === answer) pending = null
      })
    },
  }
}

function trainerError(line: Extract<TrainerLine, { type: 'error' }>): FedsamError {
  const code = ERROR_CODES.includes(line.code) ? (line.code as ErrorCode) : 'TrainerFailed'
  return new FedsamError(code, line.message, { remedy: line.remedy })
}
