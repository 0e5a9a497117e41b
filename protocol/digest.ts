// SHA-256 of bytes, and the block digests that let a reader verify any slice of a payload without reading all of it.
import { createHash } from 'node:crypto'

/** Bytes per digest block. The last block of a payload may be shorter. */
export const BLOCK_BYTES = 1_048_576

/** Lower-case hexadecimal SHA-256. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The digest of a payload and of each of its blocks, fed in pieces of any size. */
export interface BlockHasher {
  update(bytes: Uint8Array): void
  finish(): PayloadDigest
}

/** Size in bytes, SHA-256 of the whole, SHA-256 of each BLOCK_BYTES block. */
export interface PayloadDigest {
  readonly size: number
  readonly sha256: string
  readonly blocks: string[]
}

export function blockHasher(): BlockHasher {
  const whole = createHash('sha256')
  const blocks: string[] = []
  let block = createHash('sha256')
  let filled = 0
  let size = 0
  const closeBlock = (): void => {
    blocks.push(block.digest('hex'))
    block = createHash('sha256')
    filled = 0
  }
  return {
    update(bytes) {
      whole.update(bytes)
      size += bytes.length
      for (let at = 0; at < bytes.length; ) {
        const take = Math.min(BLOCK_BYTES - filled, bytes.length - at)
        block.update(bytes.subarray(at, at + take))
        filled += take
        at += take
        if (filled === BLOCK_BYTES) closeBlock()
      }
    },
    finish() {
      if (filled > 0) closeBlock()
      return { size, sha256: whole.digest('hex'), blocks }
    },
  }
}

/** All digests of a payload that is at hand. */
export function digestPayload(bytes: Uint8Array): PayloadDigest {
  const hasher = blockHasher()
  hasher.update(bytes)
  return hasher.finish()
}
