import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from './canonical.ts'
import { MAX_NUM_EXAMPLES } from './outcomes.ts'
import { readMarker } from './record.ts'

const RECEIPT = {
  schema: 'fedsam.receipt/1',
  client: 'a',
  round: 1,
  attempt: 1,
  incarnation: 'i',
  base: 'b'.repeat(64),
  update: null,
  evaluation: { loss: 0.5, numExamples: 3, metrics: { dice: 0.7 } },
  dataset: 'd',
}
const read = (value: object) => readMarker('receipt', 'the/key.json', encodeJson(value))

describe('markers', () => {
  test('are read as they were written', () => {
    assert.deepEqual(read(RECEIPT), { ...RECEIPT, notEvaluated: null })
  })

  const evaluation = (change: object) => ({ ...RECEIPT, evaluation: { ...RECEIPT.evaluation, ...change } })
  const bad: readonly [string, object, RegExp][] = [
    ['of another schema', { ...RECEIPT, schema: 'fedsam.plan/1' }, /schema/],
    ['without a field', { ...RECEIPT, round: undefined }, /round/],
    ['of a client with no name', { ...RECEIPT, client: '../b' }, /client/],
    ['with a short digest', { ...RECEIPT, base: 'b' }, /base/],
    ['that count more than one client may', evaluation({ numExamples: MAX_NUM_EXAMPLES + 1 }), /numExamples/],
    ['that measured the unmeasurable', evaluation({ loss: 1e201 }), /loss/],
    ['with such a metric', evaluation({ metrics: { dice: -1e201 } }), /dice/],
  ]
  for (const [what, value, field] of bad) {
    test(`${what} are damaged, and the key and the field are named`, () => {
      assert.throws(() => read(value), { code: 'RecordDamaged', message: /the\/key\.json/ })
      assert.throws(() => read(value), { message: field })
    })
  }

  test('that are no JSON are damaged', () => {
    assert.throws(() => readMarker('plan', 'key', Uint8Array.of(0x7b)), {
      code: 'RecordDamaged',
      message: /key is not JSON/,
    })
  })

  test('cannot say infinity', () => {
    const text = JSON.stringify(RECEIPT).replace('0.5', '1e999')
    assert.throws(() => readMarker('receipt', 'key', new TextEncoder().encode(text)), {
      code: 'RecordDamaged',
    })
  })
})
