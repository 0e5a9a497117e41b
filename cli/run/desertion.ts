// On one machine nobody replaces a worker that ended for good. Once too few are left to open a round, waiting is in vain.
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'

export interface DesertionWatch {
  /** Aborts once the run cannot go on; its reason is RunFailed, with what ended each worker. */
  readonly signal: AbortSignal
  /** A worker ended for good, and why. */
  lost(client: string, why: string): void
}

/** Watches the workers of one run. */
export function watchDesertion({ partitions, strategy }: CompleteFederatedJobSpec): DesertionWatch {
  const deserted = new AbortController()
  const trainers = new Set(partitions.filter(({ train }) => train).map(({ name }) => name))
  const all = trainers.size
  const reasons: string[] = []
  return {
    signal: deserted.signal,
    lost(client, why) {
      if (!trainers.delete(client)) return
      reasons.push(`${client}: ${why}`)
      if (trainers.size >= strategy.minAvailableClients) return
      const needed = strategy.minAvailableClients
      const message = `of ${all} clients ${trainers.size} are left, a round needs ${needed}\n${reasons.join('\n')}`
      deserted.abort(
        new FedsamError('RunFailed', message, {
          remedy: 'mend what ended them and start the job again: it goes on from its record',
        }),
      )
    },
  }
}
