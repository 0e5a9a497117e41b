// The monotonic clock as a port, so that a test can pass a faster one. Durations are in seconds; no value here is a date.

/** A monotonic clock. */
export interface Clock {
  /** Seconds since a fixed moment of this process. */
  now(): number
  /** Resolves after that many seconds, or as soon as the signal aborts. It never rejects. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>
}

/** This machine's monotonic clock. At `speed` 100 a second lasts ten milliseconds. */
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
        // setTimeout takes 31 bits of milliseconds. A longer sleep ends early, after 25 days.
        const timer = setTimeout(finish, Math.min((seconds / speed) * 1000, 2 ** 31 - 1))
        signal?.addEventListener('abort', finish)
      }),
  }
}
