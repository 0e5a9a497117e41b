// SHA-256 of bytes, and the block digests that let a reader verify any slice of a payload without reading all of it.
import { createHash, type Hash } from 'node:crypto'

/** Bytes per digest block. The last block of a payload may be shorter; a payload of one block is hashed once. */
export const BLOCK_BYTES = 4_194_304

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
  const blocks: string[] = []
  // The first block's state is that of the whole so far: they part when a second block begins.
  let whole: Hash | undefined
  let block = createHash('sha256')
  let filled = 0
  let size = 0
  const nextBlock = (): void => {
    whole ??= block.copy()
    blocks.push(block.digest('hex'))
    block = createHash('sha256')
    filled = 0
  }
  return {
    update(bytes) {
      size += bytes.length
      for (let at = 0; at < bytes.length; ) {
        if (filled === BLOCK_BYTES) nextBlock()
        const piece = bytes.subarray(at, at + BLOCK_BYTES - filled)
        block.update(piece)
        whole?.update(piece)
        filled += piece.length
        at += piece.length
      }
    },
    finish() {
      const last = block.digest('hex')
      if (filled > 0) blocks.push(last)
      return { size, sha256: whole?.digest('hex') ?? last, blocks }
    },
  }
}

/** All digests of a payload that is at hand. */
export function digestPayload(bytes: Uint8Array): PayloadDigest {
  const hasher = blockHasher()
  hasher.update(bytes)
  return hasher.finish()
}
