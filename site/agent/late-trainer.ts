// A trainer whose program is known only after the worker has started: a site asks the coordinator first what the job is. Guarantees that
// nothing runs before, and that results that the site keeps to itself do not pass.
import type { Progress, Trainer } from '#worker/trainer/seam.ts'

/** Which metrics leave the site, of those that the trainer reports. */
export type Release = <T>(metrics: Readonly<Record<string, T>>) => Record<string, T>

export interface LateTrainer extends Trainer {
  /** Uses this trainer from now on. */
  use(trainer: Trainer): void
}

/**
 * `release`: what leaves of the metrics; null: all of them. With a filter the words of the trainer's progress stay here too: a program
 * may write its metrics into them.
 */
export function createLateTrainer(release: Release | null): LateTrainer {
  let chosen: Trainer | undefined
  const trainer = (): Trainer => {
    if (chosen === undefined) throw new Error('the trainer was called before it was chosen')
    return chosen
  }
  const released = <T extends { readonly metrics: Readonly<Record<string, number>> }>(result: T): T =>
    release === null ? result : { ...result, metrics: release(result.metrics) }
  const shown = (progress: Progress | null): Progress | null =>
    release === null || progress === null ? progress : { ...progress, message: '' }
  return {
    use(one) {
      chosen = one
    },
    ready: async () => trainer().ready(),
    getParameters: async (output) => trainer().getParameters(output),
    fit: async (...call) => released(await trainer().fit(...call)),
    evaluate: async (...call) => released(await trainer().evaluate(...call)),
    message: async (...call) => trainer().message(...call),
    progress: () => shown(chosen?.progress() ?? null),
    cancel: async () => chosen?.cancel(),
    close: async (code) => chosen?.close(code),
  }
}
