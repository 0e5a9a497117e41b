// On one machine nobody replaces a worker that ended for good. Where a round waits for more trainers than are left, it waits in
// vain, and the run ends there; what needs no round (a last evaluation, the output) goes on.
import { FedsamError } from '#protocol/errors.ts'
import type { Observer, RunEvent } from '#protocol/events.ts'
import { plainText } from '../render/plain.ts'
import type { LocalRun } from './local.ts'

export interface DesertionWatch {
  /** Aborts when the user's signal does, and where the run waits in vain. */
  readonly signal: AbortSignal
  /** Passes the events on: from them it knows what the coordinator waits for. */
  readonly observe: Observer
  /** A worker ended for good, and why. */
  lost(client: string, why: string): void
  /** What the run ended with: RunFailed, with what ended each worker, in place of the interruption that this watch caused. */
  explain(error: unknown): unknown
}

/** Watches one run. */
export function watchDesertion({ spec, signal, observe }: LocalRun): DesertionWatch {
  const deserted = new AbortController()
  const trainers = new Set(spec.partitions.filter(({ train }) => train).map(({ name }) => name))
  const all = trainers.size
  const reasons: string[] = []
  /** Trainers that an attempt waits for; null: none waits. */
  let needed: number | null = null
  const look = (): void => {
    if (needed !== null && trainers.size < needed) deserted.abort('too few are left')
  }
  return {
    signal: AbortSignal.any([signal, deserted.signal]),
    observe(event: RunEvent) {
      if (event.event === 'Waiting') needed = event.kind === 'Evaluate' ? null : event.needed
      else if (event.event === 'AttemptOpened' || event.event === 'RunCompleted') needed = null
      observe(event)
      look()
    },
    lost(client, why) {
      if (trainers.delete(client)) reasons.push(`${client}: ${plainText(why)}`)
      look()
    },
    explain(error) {
      const isOurs = error instanceof FedsamError && error.code === 'Interrupted' && !signal.aborted
      if (!isOurs || !deserted.signal.aborted) return error
      const message = `of ${all} clients ${trainers.size} are left, a round needs ${needed}\n${reasons.join('\n')}`
      observe({ event: 'RunFailed', code: 'RunFailed', reason: 'TooFewClients', message })
      return new FedsamError('RunFailed', message, {
        reason: 'TooFewClients',
        remedy: 'mend what ended them and start the job again: it goes on from its record',
      })
    },
  }
}
