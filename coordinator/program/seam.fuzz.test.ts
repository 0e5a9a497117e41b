// Fuzz test of the readers of a program's lines and of its files of messages: any text, and calls with any value in any place.
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { readMessages, readProgramLine, WrongCall } from './seam.ts'

const value = fc.oneof(
  fc.json(),
  fc.constantFrom('NaN', '-Infinity', '1e999', '"\\u0000"', '[', '{"__proto__":1}'),
)
const call = fc
  .tuple(fc.constantFrom('clients', 'exchange', 'result', 'other'), value, value, value, fc.string())
  .map(
    ([name, one, two, three, rest]) =>
      `{"id":1,"call":"${name}","messages":${one},"timeout":${two},"model":null,"metrics":{"a":${two}},"files":${three}}${rest}`,
  )
const list = fc
  .tuple(value, value)
  .map(([one, two]) => `{"messages":[{"client":"a","kind":${one},"group":"","content":${two}}]}`)

fuzz('a line and a file of a program', {
  input: fc.oneof(call, list, fc.string({ unit: 'binary' }), fc.json()),
  read(text) {
    readProgramLine(text)
    readMessages(new TextEncoder().encode(text))
  },
  errors: [WrongCall],
  examples: [
    `{"id":1,"call":"result","x":"${'\\"'.repeat(500_000)}`,
    `{"type":"error","message":${'NaN,'.repeat(200_000)}`,
  ],
})
