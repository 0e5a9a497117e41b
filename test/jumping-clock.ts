// A clock that a test moves: time passes as on the system's clock, and a jump makes all who sleep wake as if they had slept it.
// A test sets a deadline far away, waits for the events that come before it, and then jumps: no machine is too slow for that.
import type { Clock } from '#runtime/clock.ts'
import { systemClock } from '#runtime/clock.ts'

export interface JumpingClock extends Clock {
  /** Moves the clock forward by that many seconds. */
  jump(seconds: number): void
}

/** A clock that starts at the system's time, with `speed` as there. */
export function jumpingClock(speed = 1): JumpingClock {
  const clock = systemClock(speed)
  const sleepers = new Set<() => void>()
  let ahead = 0
  const now = (): number => clock.now() + ahead
  return {
    now,
    async sleep(seconds, signal) {
      const end = now() + seconds
      while (signal?.aborted !== true && now() < end) {
        const jumped = new AbortController()
        const wake = (): void => jumped.abort()
        sleepers.add(wake)
        const woken = signal === undefined ? jumped.signal : AbortSignal.any([signal, jumped.signal])
        await clock.sleep(Math.max(0, end - now()), woken)
        sleepers.delete(wake)
      }
    },
    jump(seconds) {
      ahead += seconds
      for (const wake of [...sleepers]) wake()
    },
  }
}
