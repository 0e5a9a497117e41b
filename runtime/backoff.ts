// How long to wait before another try, and the loop that retries. The schedule is pure: the pause doubles with each failure in a
// row, up to a bound, and jitter may shorten it. The caller decides which failures another try can cure.
import { FedsamError } from '#protocol/errors.ts'
import { type Clock, systemClock } from './clock.ts'

/** The pauses of a row of failures. */
export interface Backoff {
  /** Seconds after the first failure. */
  readonly first: number
  /** Seconds that no pause exceeds. */
  readonly longest: number
}

/** Doublings at most: 2 to this power is finite, so that a first pause of 0 s stays 0 s. */
const MOST_DOUBLINGS = 50

/**
 * Seconds to wait after that many failures in a row; 0 after none. `random`, in [0, 1), shortens the pause by up to half, so
 * that many callers who fail together do not return together.
 */
export function pauseAfter(failures: number, { first, longest }: Backoff, random = 0): number {
  if (failures <= 0) return 0
  const full = Math.min(first * 2 ** Math.min(failures - 1, MOST_DOUBLINGS), longest)
  return full * (1 - random / 2)
}

export interface RetryOptions {
  readonly backoff: Backoff
  /**
   * Decides after each failure, counted from 1 in a row. It throws where another try cannot help, and that error ends the loop.
   * 'Progress': the work got further before it failed, so a new row begins.
   */
  readonly onFailure: (error: unknown, failures: number) => 'Progress' | undefined
  /** Ends the loop during a pause. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/** Runs the work until it succeeds. Throws what `onFailure` throws, and FedsamError Interrupted once the signal aborts a pause. */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { backoff, onFailure, signal, clock = systemClock() } = options
  for (let failures = 1; ; failures += 1) {
    try {
      return await work()
    } catch (error) {
      if (onFailure(error, failures) === 'Progress') failures = 0
    }
    await clock.sleep(pauseAfter(Math.max(failures, 1), backoff), signal)
    if (signal?.aborted) throw new FedsamError('Interrupted', 'the program was asked to stop')
  }
}
