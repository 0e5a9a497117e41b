// Reads ranges of a payload, and verifies each block against the digests that the record holds.
// It returns only bytes that have their digests. A block with another digest is read a second time, because a bit may have
// flipped during the transfer. After that it is RecordDamaged.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { BLOCK_BYTES, sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { PayloadRef } from '#protocol/record.ts'
import type { StoreReader } from '#transport/ports.ts'

/** Reads of a block before it counts as damaged. */
const READS = 2

/** The source of a payload's bytes. */
export interface PayloadSource {
  readonly payload: PayloadRef
  /** The whole payload, where it was kept after its verification. Then nothing is read. */
  readonly bytes?: Uint8Array | undefined
}

/** Bytes [begin, end) of a payload, verified. Throws FedsamError RecordDamaged, naming the key and the block. */
export async function readPayload(
  store: StoreReader,
  { payload, bytes }: PayloadSource,
  [begin, end]: readonly [number, number],
): Promise<Uint8Array> {
  if (bytes !== undefined) return bytes.subarray(begin, end)
  if (begin === end) return new Uint8Array(0)
  const from = begin - (begin % BLOCK_BYTES)
  const to = Math.min(Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES, payload.size)
  let wrong = ''
  for (let read = 0; read < READS; read++) {
    const found = await readBlocks(store, payload, [from, to])
    if (typeof found !== 'string') return within(found, begin - from, end - from)
    wrong = found
  }
  throw new FedsamError('RecordDamaged', `${store.description}: ${payload.key}: ${wrong}`, {
    remedy: 'find out what changed the object in the store; you may restore a copy that has the same digest',
  })
}

/** A view; a copy where the view would keep more than twice its memory in use. */
function within(blocks: Uint8Array, begin: number, end: number): Uint8Array {
  const view = blocks.subarray(begin, end)
  return view.length < blocks.length / 2 ? new Uint8Array(view) : view
}

/** Whole blocks, or what is wrong with them, as text. */
async function readBlocks(
  store: StoreReader,
  payload: PayloadRef,
  [from, to]: readonly [number, number],
): Promise<Uint8Array | string> {
  const bytes = await store.get(payload.key, { offset: from, length: to - from }).catch((error: unknown) => {
    if (error instanceof RangeError) return 'it is shorter than the record states'
    throw error
  })
  if (bytes === undefined) return 'it does not exist'
  if (typeof bytes === 'string') return bytes
  if (bytes.length !== to - from) return `the store returned ${bytes.length} bytes of ${to - from}`
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    // A digest takes milliseconds. Between two digests the coordinator answers its clients and its probes.
    if (at > 0) await nextTurn()
    const block = (from + at) / BLOCK_BYTES
    // On this thread: Web Crypto would digest a copy of the block on another thread, and the copy costs nearly as much.
    if (sha256(bytes.subarray(at, at + BLOCK_BYTES)) !== payload.blocks[block]) {
      return `block ${block} does not match its digest`
    }
  }
  return bytes
}
