// A clock for tests of what waits: no time passes until somebody sleeps. On its way it stops where the test has something to do.
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#runtime/clock.ts'

/** Seconds from the start; what happens then. */
export type ClockScript<T> = readonly (readonly [number, (given: T) => unknown])[]

/** `given` is handed to what happens. A sleeper that is woken at a moment of the script sleeps no longer. */
export function scriptedClock<T>(script: ClockScript<T>, given: () => T): Clock {
  let now = 0
  const left = [...script].sort(([a], [b]) => a - b)
  return {
    now: () => now,
    async sleep(seconds, signal) {
      const until = now + seconds
      await setImmediate()
      while (!signal?.aborted) {
        const [next] = left
        if (next === undefined || next[0] > until) {
          now = until
          return
        }
        left.shift()
        now = Math.max(now, next[0])
        await next[1](given())
        await setImmediate()
      }
    },
  }
}
