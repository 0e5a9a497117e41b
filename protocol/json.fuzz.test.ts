// JSON of foreign origin: canonical text that was mutated, structure without sense, and repetitions that make a parser
// allocate. Whatever is read back is the same value in canonical form.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { canonicalJson, decodeJson, encodeJson } from './canonical.ts'

const mutated = fc
  .tuple(fc.jsonValue(), fc.nat(), fc.nat(255), fc.boolean())
  .map(([value, at, byte, change]) => {
    const bytes = encodeJson(value)
    if (change && bytes.length > 0) bytes[at % bytes.length] = byte
    return bytes
  })
const tokens = fc
  .array(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '\\u',
      '"a"',
      '0',
      '-',
      '1e999',
      'null',
      ' ',
      'é',
    ),
    {
      maxLength: 300,
    },
  )
  .map((parts) => new TextEncoder().encode(parts.join('')))
const repeated = fc
  .tuple(fc.string({ maxLength: 3 }), fc.string({ minLength: 1, maxLength: 4 }), fc.nat(5000))
  .map(([begin, part, times]) => new TextEncoder().encode(begin + part.repeat(times)))
const long = (part: string): Uint8Array => new TextEncoder().encode(part.repeat(2 ** 20 / part.length))

fuzz('canonical JSON', {
  input: fc.oneof(mutated, tokens, repeated, fc.uint8Array({ maxLength: 100 })),
  read(bytes) {
    const value = decodeJson(bytes)
    assert.equal(canonicalJson(decodeJson(encodeJson(value))), canonicalJson(value))
  },
  errors: [SyntaxError, TypeError, RangeError],
  examples: [long('['), long('{"a":'), long('"'), long('\\'), long('1'), long('[],'), long('{"a":0},')],
})
