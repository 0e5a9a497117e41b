// Waits in tests for what another part does in its own time. A wait that never ends fails the test by its name, and says what
// the test saw instead. The limit asserts nothing about time: it is far above what a busy machine needs.
import { setTimeout as sleep } from 'node:timers/promises'

/** Seconds that a wait may last. A machine that is ten times slower than usual stays below it. */
const MOST_SECONDS = 120
/** Milliseconds between the first two checks. Each later pause is longer, so that a long wait costs no processor. */
const FIRST_PAUSE = 2
/** The longest pause between two cheap checks, and between two expensive ones, in milliseconds. */
const LONGEST_PAUSE = { cheap: 50, expensive: 500 }

export interface UntilOptions {
  /** Replaces the usual limit; only for a wait that is longer by nature. */
  readonly seconds?: number
  /** What the failure shows beside the name of the wait. */
  readonly instead?: () => unknown
}

/** Resolves once `holds` returns true. An error of `holds` counts as false; the failure carries the last one as its cause. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  options: UntilOptions = {},
): Promise<void> {
  await untilSeen(what, holds, (seen) => seen, options)
}

/** Resolves with the first value of `look` that `holds` accepts. An error of either counts as no. */
export async function untilSeen<T>(
  what: string,
  look: () => T | Promise<T>,
  holds: (seen: T) => boolean,
  { seconds = MOST_SECONDS, instead }: UntilOptions = {},
): Promise<T> {
  const end = performance.now() + seconds * 1000
  let last: unknown
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 1.2, LONGEST_PAUSE.cheap)) {
    const began = performance.now()
    try {
      const seen = await look()
      if (holds(seen)) return seen
      last = seen
    } catch (error) {
      last = error
    }
    if (performance.now() >= end) break
    // A check that starts a program takes at most half of the time: the rest belongs to what the test waits for.
    const took = performance.now() - began
    await sleep(Math.max(pause, Math.min(took, LONGEST_PAUSE.expensive)))
  }
  const shown = instead === undefined ? last : instead()
  const words = shown instanceof Error ? shown.message : JSON.stringify(shown)
  throw new Error(`did not happen within ${seconds} s: ${what}; instead: ${words}`, { cause: last })
}
