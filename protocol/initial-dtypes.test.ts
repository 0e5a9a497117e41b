// The element types of round 0 from its result: in one order for every language, for tensors of any name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeJson } from './canonical.ts'
import { initialDTypes, narrowTensors } from './initial-dtypes.ts'
import { readNextAnswer, type Task } from './messages.ts'
import { type RoundResult, readMarker } from './record.ts'
import { MAX_TENSORS } from './safetensors.ts'
import type { DType } from './tensors.ts'

const RESULT: Omit<RoundResult, 'tensors' | 'origin'> = {
  schema: 'fedsam.result/1',
  epoch: 1,
  round: 0,
  attempt: 1,
  run: 'a'.repeat(64),
  plan: null,
  decision: null,
  previous: null,
  model: { key: 'rounds/0/1/model.safetensors', size: 8, sha256: 'b'.repeat(64), blocks: [] },
  state: null,
  metrics: {},
  timings: {},
}

const resultOf = (tensors: Readonly<Record<string, DType>>, narrow?: Record<string, string>): RoundResult => {
  const list = Object.entries(tensors).map(([name, dtype]) => ({ name, dtype, shape: [1], rule: 'Optimise' }))
  const origin = { kind: 'Client', client: 'a', ...(narrow === undefined ? {} : { narrow }) }
  return readMarker('result', 'result', encodeJson({ ...RESULT, tensors: list, origin }))
}

test('types are in the order of the bytes of names in UTF-8, not of UTF-16', () => {
  const result = resultOf(
    { b: 'F32', a: 'I64', '\u{1f600}': 'F32', '\uff00': 'F64' },
    { b: 'F16', '\u{1f600}': 'BF16' },
  )
  assert.deepEqual(initialDTypes(result), ['I64', 'F16', 'F64', 'BF16'])
})

test('the list is empty where the model has the same types', () => {
  assert.equal(initialDTypes(resultOf({ a: 'F32' })), null)
  assert.equal(initialDTypes({ ...resultOf({ a: 'F32' }), origin: null }), null)
})

test('names that every JavaScript object has are names like any other', () => {
  const tensors = JSON.parse('{"__proto__": "F32", "constructor": "F32", "toString": "F32"}')
  const result = resultOf(tensors, JSON.parse('{"__proto__": "F16", "constructor": "BF16"}'))
  assert.deepEqual(initialDTypes(result), ['F16', 'BF16', 'F32'])
  assert.deepEqual([...narrowTensors(result).keys()].sort(), ['__proto__', 'constructor'])
})

test('a record that says another type is damaged', () => {
  assert.throws(() => resultOf({ a: 'F32' }, { a: 'F8' }), { code: 'RecordDamaged' })
})

test('a task names the types of as many tensors as a file may have', () => {
  const dtypes = Array.from({ length: MAX_TENSORS }, (): DType => 'BF16')
  const task: Task = {
    kind: 'Train',
    round: 1,
    attempt: 1,
    epoch: 1,
    base: {
      key: 'k',
      size: 8,
      sha256: 'a'.repeat(64),
      blocks: Array.from({ length: 12_000 }, () => 'c'.repeat(64)),
    },
    evaluate: true,
    config: {},
    dtypes,
    seed: 'b'.repeat(64),
  }
  const answer = readNextAnswer(encodeJson({ kind: 'task', epoch: 1, task }))
  assert.deepEqual(answer?.kind === 'task' && answer.task.dtypes, dtypes)
  const more = { ...task, dtypes: [...dtypes, 'F32'] }
  assert.equal(readNextAnswer(encodeJson({ kind: 'task', epoch: 1, task: more })), undefined)
})
