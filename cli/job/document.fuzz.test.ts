// Any bytes as a job file: they are read, or rejected with InvalidJob, within the bounds of test/fuzz.ts.
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { yamlFile } from '#test/yaml-documents.ts'
import { readDocument } from './document.ts'

const pieces = [
  '[',
  '{',
  '? ',
  ': ',
  '- ',
  'a: ',
  '&a ',
  '*a ',
  '<<: *a',
  '!!binary ',
  '"',
  "'",
  '|\n',
  '\n',
  '\n  ',
  '---\n',
  '#',
  '\t',
]
const broken = fc
  .tuple(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), fc.nat(400))
  .map(([parts, times]) => parts.map((part) => part.repeat(1 + (times % 40))).join(''))
const bombs = fc
  .array(fc.tuple(fc.constantFrom(...'abcd'), fc.constantFrom(...'abcd')), { maxLength: 40 })
  .map((pairs) => ['&a x'].concat(pairs.map(([to, from]) => `&${to} [*${from}, *${from}, {<<: *${from}}]`)))
  .map((values) => values.map((value, index) => `k${index}: ${value}\n`).join(''))

fuzz('a job file', {
  input: fc.oneof(
    yamlFile('a: 1\nspec:\n').map((text) => new TextEncoder().encode(text)),
    fc.oneof(broken, bombs).map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 200 }),
  ),
  examples: ['[', '{a: ', '- ', '? ', '&a [*a', '"\\', '%', ' ', '#', 'a'].map((text) =>
    new TextEncoder().encode(text.repeat(20_000)),
  ),
  read: (bytes) => {
    const { locate } = readDocument('job.yaml', bytes)
    locate(['spec', 'a', 0, 'b'])
  },
})
