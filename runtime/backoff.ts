// How long to wait before another try: the pause doubles with each failure in a row, up to a bound, and jitter may shorten it.
// Pure. retry.ts is the loop that waits.

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
