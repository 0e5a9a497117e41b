// Half-precision conversions, over every bit pattern, against arithmetic written out from the formats' definitions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromFloat32, narrowBF16, narrowF16, toFloat32, widenBF16, widenF16 } from './half.ts'

const ALL_PATTERNS = Uint16Array.from({ length: 65_536 }, (_, bits) => bits)

/** The value of a float of `exponentBits` and `fractionBits`, from its definition. */
function decode(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >>> 15 ? -1 : 1
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1)
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits
  const bias = 2 ** (exponentBits - 1) - 1
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias)
}

const FORMATS = [
  { name: 'F16', widen: widenF16, narrow: narrowF16, exponentBits: 5, fractionBits: 10 },
  { name: 'BF16', widen: widenBF16, narrow: narrowBF16, exponentBits: 8, fractionBits: 7 },
] as const

for (const { name, widen, narrow, exponentBits, fractionBits } of FORMATS) {
  test(`${name}: each of the 65,536 patterns widens to its value and comes back`, () => {
    const wide = widen(ALL_PATTERNS)
    const back = narrow(wide)
    for (const bits of ALL_PATTERNS) {
      const value = decode(bits, exponentBits, fractionBits)
      assert.ok(Object.is(wide[bits], value), `${name} ${bits}: ${wide[bits]} where ${value} is meant`)
      if (Number.isNaN(value)) assert.ok(Number.isNaN(widen(back.subarray(bits, bits + 1))[0]))
      else assert.equal(back[bits], bits)
    }
  })

  test(`${name}: between two neighbours the nearer one is taken, the even one at the middle`, () => {
    const infinity = (2 ** exponentBits - 1) << fractionBits
    const wide = widen(ALL_PATTERNS)
    for (let bits = 0; bits + 1 < infinity; bits++) {
      const [low, high] = [wide[bits]!, wide[bits + 1]!]
      const middle = (low + high) / 2
      const near = [low + (middle - low) / 2, middle, high - (high - middle) / 2]
      const even = bits % 2 === 0 ? bits : bits + 1
      assert.deepEqual([...narrow(Float32Array.from(near))], [bits, even, bits + 1])
      assert.deepEqual([...narrow(Float32Array.from([-middle]))], [even | 0x8000])
    }
    assert.deepEqual([...narrow(Float32Array.of(3.4e38, -3.4e38))], [infinity, infinity | 0x8000])
  })
}

test('a NaN stays a NaN in every format, also one whose payload is in the lowest bits alone', () => {
  const patterns = Uint32Array.of(0x7f800001, 0xff800001, 0x7fc00000, 0x7fffffff, 0xffffffff)
  const values = new Float32Array(patterns.buffer)
  for (const { name, widen, narrow } of FORMATS) {
    for (const value of widen(narrow(values))) assert.ok(Number.isNaN(value), name)
  }
})

test('a tensor of any float dtype and alignment becomes 32-bit floats and back', () => {
  const values = Float32Array.of(0, -1.5, 2, 1024)
  for (const dtype of ['F32', 'F16', 'BF16'] as const) {
    const bytes = fromFloat32(values, dtype)
    const shifted = new Uint8Array(bytes.length + 1)
    shifted.set(bytes, 1)
    const tensor = { name: 'x', shape: [2, 2], dtype, data: shifted.subarray(1) }
    assert.deepEqual(toFloat32(tensor), values)
    assert.deepEqual(toFloat32({ ...tensor, data: Buffer.from(shifted).subarray(1) }), values)
  }
  const counts = { name: 'counts', shape: [1], dtype: 'I64', data: new Uint8Array(8) } as const
  assert.throws(() => toFloat32(counts), RangeError)
})
