// The loop that retries, with the pauses of backoff.ts. The caller decides which failures another try can cure.
import { FedsamError } from '#protocol/errors.ts'
import { type Backoff, pauseAfter } from './backoff.ts'
import { type Clock, systemClock } from './clock.ts'

interface RetryOptions {
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
