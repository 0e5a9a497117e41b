import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DTYPE_BYTES, type DType } from '#protocol/tensors.ts'
import { exactNumbersOf, firstNotFinite, numbersOf, writeNumbers } from './numbers.ts'

const bytesOf = (dtype: DType, values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * DTYPE_BYTES[dtype])
  assert.equal(writeNumbers(dtype, Float64Array.from(values), bytes), -1, dtype)
  return bytes
}
const written = (dtype: DType, values: number[]): number[] => {
  return [...numbersOf(dtype, bytesOf(dtype, values))]
}

test('every dtype is read back as it was written, aligned or not', () => {
  const dtypes: DType[] = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL']
  for (const dtype of dtypes) {
    const values = dtype === 'BOOL' ? [0, 1, 1] : dtype === 'U8' ? [0, 7, 255] : [-3, 0, 96]
    assert.deepEqual(written(dtype, values), values, dtype)
    const shifted = new Uint8Array(values.length * DTYPE_BYTES[dtype] + 1).subarray(1)
    assert.equal(writeNumbers(dtype, Float64Array.from(values), shifted), -1)
    assert.deepEqual([...numbersOf(dtype, shifted)], values, `${dtype} unaligned`)
  }
})

test('floats are rounded once, to nearest even', () => {
  assert.deepEqual(written('F32', [1 + 2 ** -24, 1 + 2 ** -24 + 2 ** -50]), [1, 1 + 2 ** -23])
  // Through an f32 on the way, the second would fall on the tie and then to even, downwards.
  assert.deepEqual(written('F16', [1 + 2 ** -11, 1 + 2 ** -11 + 2 ** -40]), [1, 1 + 2 ** -10])
  assert.deepEqual(written('BF16', [1 + 2 ** -8, 1 + 2 ** -8 + 2 ** -40, -1 - 3 * 2 ** -8 + 2 ** -40]), [
    1,
    1 + 2 ** -7,
    -1 - 2 ** -7,
  ])
  assert.deepEqual(written('BF16', [1 - 2 ** -40, 2 ** -133, 3 * 2 ** -135, 2 ** -150]), [
    1,
    2 ** -133,
    2 ** -133,
    0,
  ])
})

test('integers are rounded to the nearest, halves up', () => {
  assert.deepEqual(written('I32', [1.5, -1.5, 2.49, 2 ** 31 - 1]), [2, -1, 2, 2 ** 31 - 1])
  assert.deepEqual(written('I64', [2 ** 53 - 1, -(2 ** 62)]), [2 ** 53 - 1, -(2 ** 62)])
})

test('a value that does not fit is reported by its index', () => {
  const cases: [DType, number][] = [
    ['F64', Number.POSITIVE_INFINITY],
    ['F64', Number.NaN],
    ['F32', 1e39],
    ['F16', 65_520],
    ['BF16', 3.4e38],
    ['BF16', Number.NaN],
    ['I8', 127.5],
    ['U8', -1],
    ['BOOL', 2],
    ['I64', 2 ** 63],
    ['I32', Number.NaN],
  ]
  for (const [dtype, value] of cases)
    assert.equal(writeNumbers(dtype, Float64Array.of(0, value), new Uint8Array(16)), 1, `${dtype} ${value}`)
  assert.deepEqual(written('F16', [65_519]), [65_504])
})

test('exactNumbersOf keeps I64 exact', () => {
  const values = BigInt64Array.of(2n ** 53n + 1n, -1n)
  assert.deepEqual(exactNumbersOf('I64', new Uint8Array(values.buffer)), values)
})

test('the first NaN or infinity is found, in every float dtype', () => {
  const patterns: [DType, number[]][] = [
    ['F64', [0, 0, 0, 0, 0, 0, 0xf0, 0x7f]],
    ['F64', [1, 0, 0, 0, 0, 0, 0xf8, 0xff]],
    ['F32', [0, 0, 0x80, 0xff]],
    ['F32', [1, 0, 0xc0, 0x7f]],
    ['F16', [0, 0x7c]],
    ['F16', [1, 0xfe]],
    ['BF16', [0x80, 0x7f]],
    ['BF16', [0xc0, 0xff]],
  ]
  for (const [dtype, pattern] of patterns) {
    const fine = bytesOf(dtype, [1, -60_000, 0])
    assert.equal(firstNotFinite(dtype, fine), -1, dtype)
    const bytes = new Uint8Array([0, ...fine, ...pattern, ...fine])
    assert.equal(firstNotFinite(dtype, bytes.subarray(1)), 3, `${dtype} ${pattern}`)
  }
  assert.equal(firstNotFinite('I32', new Uint8Array(8).fill(255)), -1)
  // One test covers many words: it misses none at the borders, and names the first.
  for (const at of [0, 4095, 4096, 10_000, 12_287]) {
    const values = new Float32Array(12_288).fill(-3e38)
    values.fill(Number.NaN, at)
    assert.equal(firstNotFinite('F32', new Uint8Array(values.buffer)), at)
  }
})
