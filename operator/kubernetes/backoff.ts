// How long to pause before trying again: doubling, bounded, jittered so that many who failed together do not return together.

export interface Pauses {
  readonly firstMs: number
  readonly longestMs: number
}

/** The pause after so many failures in a row (1 or more), of which `random` in [0, 1) takes up to half away. */
export function pauseAfter(failures: number, { firstMs, longestMs }: Pauses, random: number): number {
  const full = Math.min(firstMs * 2 ** Math.min(failures - 1, 50), longestMs)
  return full * (1 - random / 2)
}
