// Wakes whoever waits for "something changed". A ring is never lost between a look at the facts and the wait for the next:
// take the promise first, look, then wait for it.

import type { Clock } from '#runtime/clock.ts'

export interface Bell {
  /** Wakes everyone who holds a promise of `rung`. */
  ring(): void
  /** Resolves at the next ring. */
  rung(): Promise<void>
}

export function createBell(): Bell {
  let wake: () => void = () => {}
  let next = new Promise<void>((resolve) => {
    wake = resolve
  })
  return {
    ring() {
      const ringNow = wake
      next = new Promise<void>((resolve) => {
        wake = resolve
      })
      ringNow()
    },
    rung: () => next,
  }
}

/** Waits for the ring that `rung` stands for, at most `seconds`, and no longer than until the signal says stop. */
export async function rungWithin(
  rung: Promise<void>,
  seconds: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  // Two such waits a millisecond: AbortSignal.any and an abort without a reason would be most of their cost.
  const over = new AbortController()
  const stop = (): void => over.abort('over')
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  await Promise.race([rung, clock.sleep(Math.max(seconds, 0), over.signal)])
  signal.removeEventListener('abort', stop)
  stop()
}
