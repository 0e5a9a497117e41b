// A body above S3's limit of one request (5 GiB) and above 32 bits: written from a stream and read by ranges, in bounded memory.
// Each block has a stamp with its offset. A store can only move or lose whole parts, and no part but the last is shorter than
// 5 MiB. So one stamp in every 5 MiB shows every fault. The test reads whole ranges where numbers and parts end. Reading the whole
// body would double the cost of the most expensive test and show no other fault.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyOf, freshKey, same } from './bodies.ts'
import type { Opened } from './opened-store.ts'

const BLOCK = 1 << 20
/** The shortest part that S3 accepts, in bytes. */
const SHORTEST_PART = 5 * BLOCK
const STAMP_BYTES = 8
const RANGE = 32 * BLOCK
/** What a process may grow by: far below the body, above the parts in flight. */
const ROOM = 300 * 1024 * 1024

export function largeBodyCases(opened: Opened): void {
  test('the largest body, from a stream and by ranges, in bounded memory', async () => {
    const { store, largest } = opened()
    const key = freshKey()
    const before = process.memoryUsage.rss()
    let peak = before
    const source = async function* () {
      for (let offset = 0; offset < largest; offset += BLOCK) {
        yield stampAt(offset).subarray(0, largest - offset)
        yield pattern.subarray(STAMP_BYTES, Math.max(STAMP_BYTES, largest - offset))
        peak = Math.max(peak, process.memoryUsage.rss())
      }
    }
    assert.equal(await store.write(key, largest, source()), 'Created')
    assert.equal(await store.size(key), largest)
    for (let offset = 0; offset + STAMP_BYTES <= largest; offset += SHORTEST_PART) {
      const found = await store.get(key, { offset, length: STAMP_BYTES })
      assert.ok(found && same(found, blockAt(offset).subarray(0, STAMP_BYTES)), `stamp at ${offset}`)
    }
    for (const end of [RANGE, 2 ** 31 + BLOCK, 2 ** 32 + BLOCK, largest]) {
      const offset = Math.max(0, Math.floor((end - RANGE) / BLOCK) * BLOCK)
      if (end > largest) continue
      const found = await store.get(key, { offset, length: end - offset })
      assert.ok(found)
      for (let at = offset; at < end; at += BLOCK) {
        const wanted = blockAt(at).subarray(0, end - at)
        assert.ok(same(found.subarray(at - offset, at - offset + BLOCK), wanted), `block at ${at}`)
      }
      peak = Math.max(peak, process.memoryUsage.rss())
    }
    await assert.rejects(store.get(key, { offset: largest, length: 1 }), RangeError)
    await store.delete(key)
    assert.equal(await store.size(key), undefined)
    if (largest > ROOM) assert.ok(peak - before < ROOM, `grew by ${peak - before} bytes`)
  })
}

const pattern = bodyOf(BLOCK)

/** The first bytes of the block at this offset. */
function stampAt(offset: number): Uint8Array {
  const stamp = new Uint8Array(STAMP_BYTES)
  new DataView(stamp.buffer).setFloat64(0, offset)
  return stamp
}

/** The block at this offset, in a buffer of its own. */
function blockAt(offset: number): Uint8Array {
  const block = pattern.slice()
  block.set(stampAt(offset))
  return block
}
