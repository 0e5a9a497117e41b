import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { listOf, vector } from '#test/payloads.ts'
import { measureGram } from './measure.ts'
import { payloadLayout, slicesOf } from './slices.ts'

/** Three updates of two tensors that count and one that does not. */
function payload(seed: number): Uint8Array {
  const values = (length: number): number[] =>
    Array.from({ length }, (_, i) => Math.fround(1 / (1 + ((i * 31 + seed) % 97))))
  return writeSafetensors([
    vector('a', 'F32', values(70_001)),
    vector('b', 'F32', values(9)),
    vector('c', 'F64', values(150_000)),
  ])
}

const LIST = listOf(
  [
    vector('a', 'F32', new Float32Array(70_001)),
    vector('b', 'F32', new Float32Array(9)),
    vector('c', 'F64', new Float64Array(150_000)),
  ],
  { b: 'Average' },
)
const BASE = payload(0)
const UPDATES = [payload(3), payload(11), payload(40)]

function gram(sliceBytes: number): Float64Array {
  const measure = measureGram(UPDATES.map(() => new Float64Array(220_001)))
  for (const slice of slicesOf(payloadLayout(LIST), sliceBytes)) {
    const open = measure.open(slice, BASE.subarray(slice.begin, slice.end))
    for (const update of UPDATES) open.add(update.subarray(slice.begin, slice.end), 1)
    open.close()
  }
  return measure.result()
}

test('inner products of the deltas, over Optimise tensors only', () => {
  const measured = gram(2 ** 30)
  const values = (bytes: Uint8Array): number[] => {
    const { tensors } = payloadLayout(LIST)
    const [a, , c] = tensors.map(({ begin, end }) => new Uint8Array(bytes.subarray(begin, end)).buffer)
    return [...new Float32Array(a!), ...new Float64Array(c!)]
  }
  const base = values(BASE)
  const deltas = UPDATES.map((update) => values(update).map((value, i) => value - base[i]!))
  for (const [i, one] of deltas.entries()) {
    for (const [j, other] of deltas.entries()) {
      const expected = one.reduce((sum, value, k) => sum + value * other[k]!, 0)
      assert.ok(
        Math.abs(measured[i * 3 + j]! - expected) < 1e-9,
        `${i},${j}: ${measured[i * 3 + j]}, not ${expected}`,
      )
    }
  }
})

test('cuts into slices change no bit', () => {
  for (const bytes of [2 ** 20, 2 ** 16, 12_345]) assert.deepEqual(gram(bytes), gram(2 ** 30))
})
