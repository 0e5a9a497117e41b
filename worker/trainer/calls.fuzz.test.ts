// Fuzz test of a trainer's input: lines that are calls, almost calls, or anything else.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { readTrainerCall } from './seam.ts'

const scalar = fc.oneof(fc.string(), fc.integer(), fc.double(), fc.constant(null), fc.boolean())
const nearly = fc.record(
  {
    id: fc.oneof(fc.nat(), scalar),
    call: fc.oneof(fc.constantFrom('get_parameters', 'fit', 'evaluate'), scalar),
    tensors: fc.oneof(fc.string(), scalar),
    output: fc.oneof(fc.string(), scalar),
    config: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.dictionary(fc.string(), scalar), scalar),
  },
  { requiredKeys: [] },
)

fuzz('lines that a trainer reads as calls', {
  input: fc.oneof(
    nearly.map((call) => JSON.stringify(call)),
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc.tuple(nearly, fc.nat(200)).map(([call, at]) => JSON.stringify(call).slice(0, at)),
  ),
  examples: [
    `{"id": 1, "call": "${'['.repeat(2 ** 20)}`,
    '['.repeat(2 ** 20),
    `{"id": ${'9'.repeat(2 ** 20)}}`,
  ],
  read(line) {
    const call = readTrainerCall(line)
    assert.ok(Number.isInteger(call.id))
    if ('config' in call) assert.ok(Object.values(call.config).every((value) => typeof value === 'string'))
  },
})
