// Bodies, keys and subjects for the conformance tests: any two differ, and a wrong byte shows.

/** A key that no other test uses. */
export const freshKey = (): string => `conformance/${crypto.randomUUID()}`

/** `size` bytes that depend on position and seed. */
export function bodyOf(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(size)
  let state = (seed * 2654435761 + 12345) >>> 0
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    body[at] = state >>> 24
  }
  return body
}

/** The body as a stream of chunks. */
export async function* inChunks(body: Uint8Array, chunkSize = 65_537): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += chunkSize) yield body.subarray(at, at + chunkSize)
}

/** Are the bytes the same? (Comparing typed arrays with assert walks them one by one, and prints them all.) */
export function same(found: Uint8Array | undefined, wanted: Uint8Array): boolean {
  return found !== undefined && Buffer.compare(found, wanted) === 0
}

/** A body as text. */
export const text = (body: Uint8Array): string => Buffer.from(body).toString()

/** A subject that no other test uses. */
export const freshSubject = (): string => `conformance.${crypto.randomUUID()}`
