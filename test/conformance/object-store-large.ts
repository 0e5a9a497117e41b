// A body above what S3 takes in one request (5 GiB) and above 32 bits, written from a stream and read by ranges, in
// bounded memory. Each block is stamped with its number: a block in the wrong place shows.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyOf, freshKey, same } from './bodies.ts'
import type { Opened } from './opened-store.ts'

const BLOCK = 1 << 20
const RANGE = 32 * BLOCK
/** What a process may grow by: far below the body, above the parts in flight. */
const ROOM = 300 * 1024 * 1024

export function largeBodyCases(opened: Opened): void {
  test('the largest body, from a stream and by ranges, in bounded memory', async () => {
    const { store, largest } = opened()
    const key = freshKey()
    const before = process.memoryUsage().rss
    let peak = before
    const source = async function* () {
      for (let offset = 0; offset < largest; offset += BLOCK) {
        yield blockAt(offset).subarray(0, largest - offset)
        peak = Math.max(peak, process.memoryUsage().rss)
      }
    }
    assert.equal(await store.write(key, largest, source()), 'Created')
    assert.equal(await store.size(key), largest)
    for (let offset = 0; offset < largest; offset += RANGE) {
      const length = Math.min(RANGE, largest - offset)
      const found = await store.get(key, { offset, length })
      assert.ok(found)
      for (let at = 0; at < length; at += BLOCK) {
        const wanted = blockAt(offset + at).subarray(0, length - at)
        assert.ok(same(found.subarray(at, at + BLOCK), wanted), `block at ${offset + at}`)
      }
      peak = Math.max(peak, process.memoryUsage().rss)
    }
    await assert.rejects(store.get(key, { offset: largest, length: 1 }), RangeError)
    await store.delete(key)
    assert.equal(await store.size(key), undefined)
    if (largest > ROOM) assert.ok(peak - before < ROOM, `grew by ${peak - before} bytes`)
  })
}

const pattern = bodyOf(BLOCK)

/** The block at this offset, in a buffer of its own. */
function blockAt(offset: number): Uint8Array {
  const block = pattern.slice()
  new DataView(block.buffer).setFloat64(0, offset)
  return block
}
