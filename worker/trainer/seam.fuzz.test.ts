// Fuzz test of the reader of a trainer's lines: any text, and answers with any value in place of a number or a name.
import fc from 'fast-check'
import { fuzz } from '../../test/fuzz.ts'
import { readTrainerLine } from './seam.ts'

const figure = fc.oneof(
  fc.double().map(String),
  fc.constantFrom('NaN', '-Infinity', 'null', '"x"', '[', '{}'),
)
const name = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\\', '\\"', '"', '__proto__'))
const answer = fc
  .tuple(fc.constantFrom('fitted', 'evaluated', 'ready'), figure, name, figure, fc.string())
  .map(
    ([type, one, key, two, rest]) =>
      `{"type":"${type}","id":1,"num_examples":${one},"loss":${two},"metrics":{"${key}":${two}}}${rest}`,
  )

fuzz('a line of a trainer', {
  input: fc.oneof(answer, fc.string({ unit: 'binary' }), fc.json()),
  read: (line) => readTrainerLine(line),
  errors: [],
  examples: [
    `{"type":"fitted","id":1,"x":"${'\\"'.repeat(500_000)}`,
    `{"type":"fitted","id":1,"x":"${'\\'.repeat(1_000_001)}`,
    `{"type":"fitted","id":1,"x":${'NaN,'.repeat(200_000)}`,
  ],
})
