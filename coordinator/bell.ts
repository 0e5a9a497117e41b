// Wakes whoever waits for "something changed". A ring is never lost between a look at the facts and the wait for the next:
// take the promise first, look, then wait for it.

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
