// Fuzz test of the reader of a program's file of messages: any text, and messages with any value in any place. Apart from that of its lines: the
// garbage of two readers would count as memory of each.
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { readMessages, WrongCall } from './seam.ts'

const value = fc.oneof(
  fc.json(),
  fc.constantFrom('NaN', '-Infinity', '1e999', '"\\u0000"', '[', '{"__proto__":1}'),
)
const list = fc
  .tuple(value, value)
  .map(([one, two]) => `{"messages":[{"client":"a","kind":${one},"group":"","content":${two}}]}`)

fuzz("a program's file of messages", {
  input: fc.oneof(list, fc.string({ unit: 'binary' }), fc.json()),
  read: (text) => readMessages(new TextEncoder().encode(text)),
  errors: [WrongCall],
  examples: [`{"messages":"${'\\"'.repeat(500_000)}`, `{"messages":${'NaN,'.repeat(200_000)}`],
})
