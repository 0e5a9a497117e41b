// Ranges of a payload, each block of them verified against the block digests that the record holds.
// Promises: bytes that come out are the bytes that the digests name; what does not fit is read a second time (a flipped
// bit on the way is no damage) and is RecordDamaged after that.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { BLOCK_BYTES, sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { PayloadRef } from '#protocol/record.ts'
import type { StoreReader } from '#transport/ports.ts'

const READS = 2

/** Where the bytes of a payload come from. */
export interface PayloadSource {
  readonly payload: PayloadRef
  /** The whole payload where it was kept since it was verified: nothing is read then. */
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
    remedy: 'find out who changed the store; a copy of the object with the same digest can be put back',
  })
}

/** A view; a copy where the view would keep much more memory alive than it shows. */
function within(blocks: Uint8Array, begin: number, end: number): Uint8Array {
  const view = blocks.subarray(begin, end)
  return view.length < blocks.length / 2 ? new Uint8Array(view) : view
}

/** Whole blocks, or what is wrong with them. */
async function readBlocks(
  store: StoreReader,
  payload: PayloadRef,
  [from, to]: readonly [number, number],
): Promise<Uint8Array | string> {
  const bytes = await store.get(payload.key, { offset: from, length: to - from }).catch((error: unknown) => {
    if (error instanceof RangeError) return 'it is shorter than the record says'
    throw error
  })
  if (bytes === undefined) return 'it is gone'
  if (typeof bytes === 'string') return bytes
  if (bytes.length !== to - from) return `${bytes.length} bytes came where ${to - from} were asked for`
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    // A digest takes milliseconds. Between two of them the coordinator answers its clients and its probes.
    if (at > 0) await nextTurn()
    const block = (from + at) / BLOCK_BYTES
    // On this thread: Web Crypto's digest in another one works on a copy of the block, which costs nearly as much.
    if (sha256(bytes.subarray(at, at + BLOCK_BYTES)) !== payload.blocks[block]) {
      return `block ${block} does not fit its digest`
    }
  }
  return bytes
}
