// Half-precision bits of any kind: what is widened and narrowed again is the same number, and NaN stays NaN.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { narrowBF16, narrowF16, widenBF16, widenF16 } from './half.ts'

for (const [what, widen, narrow] of [
  ['F16', widenF16, narrowF16],
  ['BF16', widenBF16, narrowBF16],
] as const) {
  fuzz(`${what} bits`, {
    input: fc.uint16Array({ maxLength: 64 }),
    read(bits) {
      const wide = widen(bits)
      const again = widen(narrow(wide))
      for (const [i, value] of wide.entries()) assert.ok(Object.is(again[i], value), `${bits[i]}`)
    },
  })

  fuzz(`numbers as ${what}`, {
    input: fc.float32Array({ maxLength: 64 }),
    read(values) {
      const narrowed = widen(narrow(values))
      for (const [i, value] of values.entries()) {
        if (Number.isNaN(value)) assert.ok(Number.isNaN(narrowed[i]))
        else assert.ok(Object.is(Math.sign(narrowed[i]!), Math.sign(value)) || narrowed[i] === 0)
      }
    },
  })
}
