// The monotonic clock as a port. Durations are seconds; nothing here is a date. Tests pass a clock that runs faster.

/** A monotonic clock. */
export interface Clock {
  /** Seconds since some fixed moment of this process. */
  now(): number
  /** Resolves after that many seconds, or at once when the signal is aborted (it never rejects). */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>
}

/** This machine's monotonic clock; `speed` 100 makes a second last ten milliseconds. */
export function systemClock(speed = 1): Clock {
  return {
    now: () => (performance.now() / 1000) * speed,
    sleep: (seconds, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) {
          resolve()
          return
        }
        const finish = (): void => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', finish)
          resolve()
        }
        // setTimeout holds 31 bits of milliseconds; whoever waits longer asks again.
        const timer = setTimeout(finish, Math.min((seconds / speed) * 1000, 2 ** 31 - 1))
        signal?.addEventListener('abort', finish)
      }),
  }
}
