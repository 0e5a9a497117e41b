// Starts the trainer and, until it is ready, reports to the coordinator what the client waits for: so the coordinator can say why
// the client is missing. A coordinator gives no work to a client that prepares; an instruction that comes all the same is
// repeated later.
import { FedsamError } from '#protocol/errors.ts'
import { shortened } from '#protocol/text.ts'
import type { Progress, TrainerReady } from '../trainer/seam.ts'
import { type Contact, type Received, type ReceiveOptions, receive } from './answers.ts'
import type { WorkerOptions } from './options.ts'
import { askGrants, askNext, LONGEST_TEXT, NOT_READY, type RequestOptions } from './requests.ts'

/** Seconds before the first report: a trainer that is ready sooner causes none. */
const FIRST_REPORT_SECONDS = 1
/** Seconds between two reports: each request waits for its answer, so this bounds the messages of a long start. */
const REPORT_SECONDS = 2
/** How long the report of a failed start is repeated until a coordinator answers, in milliseconds: one may start just now. */
const LAST_REPORT_MS = 5000
/** Pause between two tries of that report, in milliseconds. */
const LAST_REPORT_PAUSE_MS = 100

interface Ready {
  readonly kind: 'Ready'
  readonly about: TrainerReady
}

export type Prepared = Ready | Extract<Received, { kind: 'Finished' }>

type StartOptions = RequestOptions & ReceiveOptions & Pick<WorkerOptions, 'prepare' | 'log'>

/**
 * Prepares and starts the trainer; resolves when it is ready, or when the run finishes first. Throws Silence, Refused, Interrupted,
 * and the error that keeps the trainer from starting, after it was reported.
 */
export async function prepareTrainer(
  options: StartOptions,
  contact: Contact,
  stopped: Promise<'Stopped'>,
): Promise<Prepared> {
  const { clock, trainer, signal } = options
  let preparing = ''
  const start = async (): Promise<Ready> => {
    await options.prepare?.(askGrants(options), (message) => {
      preparing = message
    })
    preparing = ''
    return { kind: 'Ready', about: await trainer.ready() }
  }
  const over = new AbortController()
  const starting = start().finally(() => over.abort())
  const ended = AbortSignal.any([signal, over.signal])
  const report = (message: string) => {
    const have = { state: 'Preparing', message } as const
    return askNext(options, { about: NOT_READY, have })
  }
  for (let pause = FIRST_REPORT_SECONDS; ; pause = REPORT_SECONDS) {
    const reported = async () => {
      await clock.sleep(pause, ended)
      if (ended.aborted) return new Promise<never>(() => {}) // one of the other two promises has settled the race
      return (await report(preparing || progressText(trainer.progress()))) ?? 'NoAnswer'
    }
    const first = await Promise.race([starting, stopped, reported()]).catch(async (error: unknown) => {
      if (!(error instanceof FedsamError)) throw error
      if (error.code === 'SiteRefused') return decline(options, contact, { message: error.message, stopped })
      await reportFailure(() => report(error.message), stopped)
      throw error
    })
    if (first === 'Stopped') throw new FedsamError('Interrupted', 'the worker was asked to stop')
    if (first !== 'NoAnswer' && (first.kind === 'Ready' || first.kind === 'Finished')) return first
    const received = await receive(options, contact, first)
    if (received.kind === 'Finished') return received
  }
}

/**
 * Reports why this client takes no part in the job, until the run is over: so the reason shows where the job's people look. The
 * client gets no work meanwhile.
 */
async function decline(
  options: StartOptions,
  contact: Contact,
  { message, stopped }: { readonly message: string; readonly stopped: Promise<'Stopped'> },
): Promise<Extract<Prepared, { kind: 'Finished' }>> {
  const { clock, signal, log } = options
  log(`declined: ${message}`)
  const have = { state: 'Declined', message: shortened(message, LONGEST_TEXT) } as const
  for (;;) {
    const news = await Promise.race([askNext(options, { about: NOT_READY, have }), stopped])
    if (news === 'Stopped') throw new FedsamError('Interrupted', 'the worker was asked to stop')
    const received = await receive(options, contact, news ?? 'NoAnswer')
    if (received.kind === 'Finished') return received
    await clock.sleep(REPORT_SECONDS, signal)
  }
}

async function reportFailure(report: () => Promise<unknown>, stopped: Promise<'Stopped'>): Promise<void> {
  let over = false
  const repeat = async (): Promise<void> => {
    while (!over && (await report()) === undefined) await after(LAST_REPORT_PAUSE_MS)
  }
  await Promise.race([repeat(), stopped, after(LAST_REPORT_MS)])
  over = true
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
}

function progressText(progress: Progress | null): string {
  if (progress === null) return 'waiting for the trainer to start'
  const { done, total, message } = progress
  const counted = total > 0 ? `${done} of ${total}` : ''
  return [message || 'the trainer is getting ready', counted].filter(Boolean).join(': ')
}
