// Memory for small updates between their admission and the fold. It goes round: the next round's updates come into what the
// last one's left.

/** Free memory kept at most. Bytes. */
const KEPT_BYTES = 64 * 1024 * 1024

export interface UpdateBuffers {
  /** Memory of exactly this size, for the caller alone; what is not given back is garbage like any other. */
  take(size: number): Uint8Array
  /** Gives it back: nobody may look at it any more. */
  giveBack(bytes: Uint8Array): void
}

/** Of one coordinator. */
export function createUpdateBuffers(): UpdateBuffers {
  let free: Uint8Array[] = []
  return {
    take(size) {
      // Updates of one run have one size; another one begins anew.
      if (free[0]?.length !== size) free = []
      return free.pop() ?? new Uint8Array(size)
    },
    giveBack(bytes) {
      if (free.length > 0 && free[0]!.length !== bytes.length) return
      if ((free.length + 1) * bytes.length <= KEPT_BYTES) free.push(bytes)
    },
  }
}
