import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, decodeJson, encodeJson } from './canonical.ts'

describe('canonical JSON', () => {
  test('sorts keys, has no spaces, leaves undefined fields out', () => {
    const value = { b: [1, 'é', null], a: { d: true, c: undefined }, 10: 0, 9: 0 }
    assert.equal(canonicalJson(value), '{"10":0,"9":0,"a":{"d":true},"b":[1,"é",null]}')
  })

  test('is the same text for the same value, and reads back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value)
        const read = decodeJson(encodeJson(value))
        assert.equal(canonicalJson(read), text)
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  for (const value of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    { a: () => 1 },
    [undefined],
    { a: 1n },
    Symbol('s'),
  ]) {
    test(`does not hold ${typeof value === 'object' ? 'such a field' : String(value)}`, () => {
      assert.throws(() => canonicalJson(value), TypeError)
    })
  }

  test('is UTF-8 and nothing else', () => {
    assert.throws(() => decodeJson(Uint8Array.of(0x22, 0xff, 0x22)), TypeError)
    assert.throws(() => decodeJson(new TextEncoder().encode('{"a":NaN}')), SyntaxError)
  })
})
