import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { listOf, storeTensors, vector } from '#test/payloads.ts'
import { measureNorm, normOf } from './norm.ts'
import { payloadLayout, slicesOf } from './slices.ts'

/** More than one block of a sum in each of the long tensors. */
function tensorsOf(seed: number): Tensor[] {
  const values = (length: number): number[] =>
    Array.from({ length }, (_, i) => Math.fround(1 / (1 + ((i * 31 + seed) % 97))))
  return [
    vector('a', 'F32', values(70_001)),
    vector('b.mean', 'F32', values(9)),
    vector('c', 'F64', values(150_000)),
    vector('d.count', 'I64', [seed * 1_000_000]),
    vector('e.flag', 'BOOL', [seed % 2]),
    vector('f', 'F16', values(1001)),
  ]
}

const LIST = listOf(tensorsOf(0), { 'b.mean': 'Average', 'd.count': 'Largest', 'e.flag': 'Keep' })

function norm(sliceBytes: number): number {
  const [update, base] = [writeSafetensors(tensorsOf(5)), writeSafetensors(tensorsOf(0))]
  const measure = measureNorm()
  for (const slice of slicesOf(payloadLayout(LIST), sliceBytes))
    measure.add(slice, update.subarray(slice.begin, slice.end), base.subarray(slice.begin, slice.end))
  return measure.result()
}

test('the norm of floats that the strategy combines; counters and flags do not count', () => {
  const measure = measureNorm()
  const list = listOf(
    [vector('a', 'F32', [0]), vector('b', 'F32', [0]), vector('c', 'I32', [0]), vector('d', 'BOOL', [0])],
    { b: 'Average', c: 'Largest', d: 'Keep' },
  )
  const bytes = (values: number[]) =>
    writeSafetensors([
      vector('a', 'F32', [values[0]!]),
      vector('b', 'F32', [values[1]!]),
      vector('c', 'I32', [values[2]!]),
      vector('d', 'BOOL', [values[3]!]),
    ])
  for (const slice of slicesOf(payloadLayout(list), 2 ** 20))
    measure.add(
      slice,
      bytes([4, -3, 1000, 1]).subarray(slice.begin, slice.end),
      bytes([1, 1, 0, 0]).subarray(slice.begin, slice.end),
    )
  assert.equal(measure.result(), 5)
})

test('the size of slices does not change a bit', () => {
  const whole = norm(2 ** 30)
  assert.ok(whole > 1)
  for (const bytes of [2 ** 20, 65_536 * 8, 100_003, 4099, 64]) assert.equal(norm(bytes), whole)
})

test('a sum that an f64 cannot hold is Infinity', () => {
  const list = listOf([vector('a', 'F64', [0])])
  const measure = measureNorm()
  const bytes = (value: number) => writeSafetensors([vector('a', 'F64', [value])])
  for (const slice of slicesOf(payloadLayout(list), 64))
    measure.add(slice, bytes(1e308).subarray(slice.begin), bytes(-1e308).subarray(slice.begin))
  assert.equal(measure.result(), Number.POSITIVE_INFINITY)
})

test('a stored update has the same norm', async () => {
  const store = createMemoryStore()
  const base = await storeTensors(store, 'rounds/0/1/model.safetensors', tensorsOf(0))
  const update = await storeTensors(store, 'rounds/1/1/updates/a/0000000000000001.safetensors', tensorsOf(5))
  assert.equal(await normOf(store, LIST, { update, base }), norm(2 ** 30))
})
