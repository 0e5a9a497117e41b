// A buffer that is used again: fresh memory costs as much as hashing what it holds, and its garbage stays for seconds.

/** Memory for one user at a time. */
export interface Room {
  /** A view of so many bytes, which is overwritten by whoever asks next. */
  subarray(length: number): Uint8Array
}

/** A room that grows to the largest length that was asked for. */
export function createRoom(): Room {
  let bytes = new Uint8Array(0)
  return {
    subarray(length) {
      if (bytes.length < length) bytes = new Uint8Array(length)
      return bytes.subarray(0, length)
    },
  }
}
