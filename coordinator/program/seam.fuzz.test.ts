// Fuzz test of the reader of a program's lines: any text, and calls with any value in any place.
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { readProgramLine } from './seam.ts'

const value = fc.oneof(
  fc.json(),
  fc.constantFrom('NaN', '-Infinity', '1e999', '"\\u0000"', '[', '{"__proto__":1}'),
)
const call = fc
  .tuple(fc.constantFrom('clients', 'exchange', 'result', 'other'), value, value, value, fc.string())
  .map(
    ([name, one, two, three, rest]) =>
      `{"id":1,"call":"${name}","messages":${one},"timeout":${two},"difference":${three},"model":null,"metrics":{"a":${two}},"files":${three}}${rest}`,
  )
const note = fc
  .tuple(fc.constantFrom('ready', 'round', 'error', 'other'), value, value)
  .map(
    ([type, one, two]) => `{"type":"${type}","compares":${one},"round":${one},"of":${two},"message":${two}}`,
  )

fuzz('a line of a program', {
  input: fc.oneof(call, note, fc.string({ unit: 'binary' }), fc.json()),
  read: readProgramLine,
  errors: [],
  examples: [
    `{"id":1,"call":"result","x":"${'\\"'.repeat(500_000)}`,
    `{"type":"error","message":${'NaN,'.repeat(200_000)}`,
  ],
})
