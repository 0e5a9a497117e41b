// A buffer that its owner uses again and again. Fresh memory costs as much as hashing what it holds, and stays garbage for
// seconds.

/** Memory for one user at a time. */
export interface ReusedBuffer {
  /** A view of `length` bytes. The next call overwrites it. */
  subarray(length: number): Uint8Array
}

/** A buffer that grows to the largest length that a caller asked for. */
export function createReusedBuffer(): ReusedBuffer {
  let bytes = new Uint8Array(0)
  return {
    subarray(length) {
      if (bytes.length < length) bytes = new Uint8Array(length)
      return bytes.subarray(0, length)
    },
  }
}
