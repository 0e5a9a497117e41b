import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { DTYPE_BYTES } from '#protocol/tensors.ts'
import { listOf, vector } from '#test/payloads.ts'
import { payloadLayout, slicesOf } from './slices.ts'

const TENSORS = [
  vector('a', 'U8', [1, 2, 3]),
  vector('b', 'F32', new Float32Array(500)),
  vector('c', 'F64', []),
  vector('d', 'F64', new Float64Array(77)),
  vector('e', 'F16', [1]),
  vector('f', 'F32', []),
]

test('the layout is that of the file', () => {
  const file = writeSafetensors(TENSORS)
  const layout = payloadLayout(listOf(TENSORS))
  assert.equal(layout.size, file.length)
  assert.deepEqual(layout.header, file.subarray(0, layout.header.length))
  assert.equal(payloadLayout([]).size, writeSafetensors([]).length)
})

test('slices tile the parameters, whatever their size, and cut no element', () => {
  const layout = payloadLayout(listOf(TENSORS))
  for (const bytes of [8, 9, 64, 100, 333, 1024, 1 << 20]) {
    const slices = slicesOf(layout, bytes)
    let at = layout.header.length
    const seen = new Map<string, number>()
    for (const { begin, end, pieces } of slices) {
      assert.equal(begin, at)
      assert.ok(end > begin && end - begin <= bytes + 7, `${end - begin} bytes in slices of ${bytes}`)
      for (const piece of pieces) {
        assert.equal(piece.begin, at)
        assert.equal(piece.end - piece.begin, piece.elements * DTYPE_BYTES[piece.tensor.dtype])
        assert.equal(piece.first, seen.get(piece.tensor.name) ?? 0)
        seen.set(piece.tensor.name, piece.first + piece.elements)
        at = piece.end
      }
      assert.equal(at, end)
    }
    assert.equal(at, layout.size)
  }
  assert.equal(slicesOf(layout, 1 << 20).length, 1)
  assert.deepEqual(slicesOf(payloadLayout([]), 64), [])
})
