// Ends a run on this machine when a round waits for more workers than are left: nobody replaces a worker that ended for good. Steps
// that need no round, such as the last evaluation or the output, still finish.
import { FedsamError } from '#protocol/errors.ts'
import type { Observer, RunEvent } from '#protocol/events.ts'
import { plainText } from '../render/plain.ts'
import type { LocalRun } from './local-run.ts'

export interface WorkerLossWatch {
  /** Aborts when the user's signal does, and when a round waits for too few workers. */
  readonly signal: AbortSignal
  /** Forwards each event; learns from it how many workers the coordinator waits for. */
  readonly observe: Observer
  /** Records that a worker ended for good, and why. */
  lost(client: string, why: string): void
  /** The error to report: RunFailed with the reason of each lost worker where this watch stopped the run, else `error`. */
  explain(error: unknown): unknown
}

/** The parts of a run that a watch needs. */
type Watched = Pick<LocalRun, 'signal' | 'observe'> & {
  readonly spec: { readonly partitions: readonly { readonly name: string; readonly train: boolean }[] }
}

/** Watches one run. */
export function watchWorkerLoss({ spec, signal, observe }: Watched): WorkerLossWatch {
  const tooFew = new AbortController()
  const trainers = new Set(spec.partitions.filter(({ train }) => train).map(({ name }) => name))
  const all = trainers.size
  const reasons: string[] = []
  /** The number of trainers that an attempt waits for; null while none waits. */
  let needed: number | null = null
  const check = (): void => {
    if (needed !== null && trainers.size < needed) tooFew.abort('too few workers are left')
  }
  return {
    signal: AbortSignal.any([signal, tooFew.signal]),
    observe(event: RunEvent) {
      if (event.event === 'Waiting') needed = event.kind === 'Evaluate' ? null : event.needed
      else if (event.event === 'AttemptOpened' || event.event === 'RunCompleted') needed = null
      observe(event)
      check()
    },
    lost(client, why) {
      if (trainers.delete(client)) reasons.push(`${client}: ${plainText(why)}`)
      check()
    },
    explain(error) {
      const isOurs = error instanceof FedsamError && error.code === 'Interrupted' && !signal.aborted
      if (!isOurs || !tooFew.signal.aborted) return error
      const left = `${trainers.size} of ${all} clients ${trainers.size === 1 ? 'is' : 'are'} left`
      const message = `${left}, and a round needs ${needed}\n${reasons.join('\n')}`
      observe({ event: 'RunFailed', code: 'RunFailed', reason: 'TooFewClients', message })
      return new FedsamError('RunFailed', message, {
        reason: 'TooFewClients',
        remedy: 'fix the cause above and start the job again: it resumes from its record',
      })
    },
  }
}
