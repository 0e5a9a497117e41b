// Streams of bytes of an announced length: counted, collected, or regrouped into blocks of equal size.
// Guarantees: a stream that is shorter or longer than announced throws RangeError before its consumer takes it for complete.

/** Yields the chunks. Throws RangeError where they are not `size` bytes in total. */
export async function* exactly(
  key: string,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let seen = 0
  for await (const chunk of chunks) {
    seen += chunk.byteLength
    if (seen > size) throw new RangeError(`the body of ${key} is longer than the ${size} bytes announced`)
    yield chunk
  }
  if (seen < size) throw new RangeError(`the body of ${key} ended after ${seen} of ${size} bytes`)
}

/** Collects the chunks in one new buffer. Throws RangeError where they are not `size` bytes in total. */
export async function gather(
  key: string,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Uint8Array(size)
  let offset = 0
  for await (const chunk of exactly(key, size, chunks)) {
    body.set(chunk, offset)
    offset += chunk.byteLength
  }
  return body
}

/**
 * Regroups the chunks into blocks of `blockSize` bytes; the last one may be shorter. Each block has memory of its own, from `memory`: a
 * caller that is done with a block may hand it out again.
 */
export async function* blocks(
  chunks: AsyncIterable<Uint8Array>,
  blockSize: number,
  memory: () => Uint8Array<ArrayBuffer> = () => new Uint8Array(blockSize),
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let block = memory()
  let filled = 0
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.byteLength; ) {
      const taken = chunk.subarray(from, from + blockSize - filled)
      block.set(taken, filled)
      from += taken.byteLength
      filled += taken.byteLength
      if (filled < blockSize) continue
      yield block
      block = memory()
      filled = 0
    }
  }
  if (filled > 0) yield block.subarray(0, filled)
}
