import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BLOCK_BYTES, blockHasher, digestPayload, sha256 } from './digest.ts'

describe('digests', () => {
  test('are SHA-256 in lower-case hexadecimal', () => {
    assert.equal(sha256('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  test('of a payload are of the whole and of each block of one MiB', () => {
    const bytes = Uint8Array.from({ length: BLOCK_BYTES + 5 }, (_, i) => i % 251)
    const { size, sha256: whole, blocks } = digestPayload(bytes)
    assert.equal(size, BLOCK_BYTES + 5)
    assert.equal(whole, sha256(bytes))
    assert.deepEqual(blocks, [sha256(bytes.subarray(0, BLOCK_BYTES)), sha256(bytes.subarray(BLOCK_BYTES))])
  })

  test('have no block that is empty', () => {
    assert.deepEqual(digestPayload(new Uint8Array(0)).blocks, [])
    assert.equal(digestPayload(new Uint8Array(BLOCK_BYTES)).blocks.length, 1)
  })

  test('do not depend on how the bytes are divided', () => {
    const bytes = Uint8Array.from({ length: 2 * BLOCK_BYTES + 77 }, (_, i) => (i * 31) % 256)
    const wanted = digestPayload(bytes)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
        const hasher = blockHasher()
        let at = 0
        for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
          hasher.update(bytes.subarray(at, cut))
          at = cut
        }
        assert.deepEqual(hasher.finish(), wanted)
      }),
      { numRuns: 20 },
    )
  })
})
