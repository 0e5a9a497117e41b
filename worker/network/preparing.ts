// The time before the trainer is ready: the coordinator is told what is waited for, so that it can say why a client is missing.
// It gives no work to a client that prepares; what it tells all the same is heard, and asked for again later.
import { FedsamError } from '#protocol/errors.ts'
import type { Progress, TrainerReady } from '../trainer/seam.ts'
import { hear, type Standing } from './answers.ts'
import type { WorkerOptions } from './client.ts'
import { askGrants, askNext } from './requests.ts'

/** A trainer that is ready sooner is not announced. Seconds. */
const QUIET_SECONDS = 1
/** Between two words on it. Seconds. */
const PAUSE_SECONDS = 2

const NOBODY = { dataset: '', backend: '' }

interface Ready {
  readonly kind: 'Ready'
  readonly about: TrainerReady
}

export type Prepared = Ready | { readonly kind: 'Over'; readonly reason: string }

/**
 * Prepares and starts the trainer; resolves when it is ready, or when the run is over before. Throws Silence, Refused,
 * Interrupted, and, after it was told, what keeps the trainer from starting.
 */
export async function prepareTrainer(
  options: WorkerOptions,
  standing: Standing,
  stopped: Promise<'Stopped'>,
): Promise<Prepared> {
  const { clock, trainer, signal } = options
  let doing = ''
  const start = async (): Promise<Ready> => {
    await options.prepare?.(askGrants(options), (message) => {
      doing = message
    })
    doing = ''
    return { kind: 'Ready', about: await trainer.ready() }
  }
  const over = new AbortController()
  const starting = start().finally(() => over.abort())
  const ended = AbortSignal.any([signal, over.signal])
  const tell = (message: string) => {
    const have = { state: 'Preparing', message } as const
    return askNext(options, { epoch: standing.epoch, about: NOBODY, have })
  }
  for (let pause = QUIET_SECONDS; ; pause = PAUSE_SECONDS) {
    const told = async () => {
      await clock.sleep(pause, ended)
      if (ended.aborted) return new Promise<never>(() => {}) // the others of the race have settled
      return (await tell(doing || wordsOf(trainer.progress()))) ?? 'NoAnswer'
    }
    const first = await Promise.race([starting, stopped, told()]).catch(async (error: unknown) => {
      if (error instanceof FedsamError) await sayLast(() => tell(error.message), stopped)
      throw error
    })
    if (first === 'Stopped') throw new FedsamError('Interrupted', 'the worker was asked to stop')
    if (first !== 'NoAnswer' && first.kind === 'Ready') return first
    const heard = await hear(options, standing, first)
    if (heard.kind === 'Over') return heard
  }
}

/** The last word is said for this long, until somebody hears it: a coordinator may begin only now. Real milliseconds. */
const FAREWELL_MS = 5000
const AGAIN_MS = 100

async function sayLast(say: () => Promise<unknown>, stopped: Promise<'Stopped'>): Promise<void> {
  let over = false
  const repeat = async (): Promise<void> => {
    while (!over && (await say()) === undefined) await after(AGAIN_MS)
  }
  await Promise.race([repeat(), stopped, after(FAREWELL_MS)])
  over = true
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
}

function wordsOf(progress: Progress | null): string {
  if (progress === null) return 'waiting for the trainer to start'
  const { done, total, message } = progress
  const counted = total > 0 ? `${done} of ${total}` : ''
  return [message || 'the trainer is getting ready', counted].filter(Boolean).join(': ')
}
