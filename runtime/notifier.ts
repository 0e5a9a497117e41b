// Wakes every waiter when something changed; a notification does not say what. A waiter takes the promise first, then reads the
// facts, then awaits the promise. In this order it misses no notification.
import type { Clock } from './clock.ts'

export interface Notifier {
  /** Wakes every holder of a promise that `next` returned. */
  notify(): void
  /** Resolves at the next notification. */
  next(): Promise<void>
}

export function createNotifier(): Notifier {
  let wake: () => void = () => {}
  let next = new Promise<void>((resolve) => {
    wake = resolve
  })
  return {
    notify() {
      const wakeNow = wake
      next = new Promise<void>((resolve) => {
        wake = resolve
      })
      wakeNow()
    },
    next: () => next,
  }
}

/** Waits for a promise of `next`, for at most `seconds`, and only until the signal is aborted. */
export async function waitAtMost(
  notified: Promise<void>,
  seconds: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  // Called about twice a millisecond. AbortSignal.any and an abort without a reason would be most of its cost.
  const over = new AbortController()
  const stop = (): void => over.abort('over')
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  await Promise.race([notified, clock.sleep(Math.max(seconds, 0), over.signal)])
  signal.removeEventListener('abort', stop)
  stop()
}
