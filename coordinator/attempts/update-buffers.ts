// Buffers for small updates, from their admission to the fold. Each round reuses the buffers of the one before: fresh memory
// costs as much as hashing what it holds. It keeps a bounded amount of free memory.

/** Bytes of free buffers kept for the next round: four updates of a SAM mask decoder, 16 MB each. */
const KEPT_BYTES = 64 * 1024 * 1024

export interface UpdateBuffers {
  /** A buffer of exactly this size that no other caller holds. A buffer that is not given back is collected as garbage. */
  take(size: number): Uint8Array
  /** Returns a buffer. Its former holder must not read it any more. */
  giveBack(bytes: Uint8Array): void
}

/** The buffers of one coordinator. */
export function createUpdateBuffers(): UpdateBuffers {
  let free: Uint8Array[] = []
  return {
    take(size) {
      // Updates of one run have one size. Another size means another run: drop the old buffers.
      if (free[0]?.length !== size) free = []
      return free.pop() ?? new Uint8Array(size)
    },
    giveBack(bytes) {
      if (free.length > 0 && free[0]!.length !== bytes.length) return
      if ((free.length + 1) * bytes.length <= KEPT_BYTES) free.push(bytes)
    },
  }
}
