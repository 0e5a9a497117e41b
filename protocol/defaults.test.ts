// Defaults by the API server's rules, and those that depend on other fields.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyDefaults, completeSpec } from './defaults.ts'
import type { StructuralSchema } from './structural-schema.ts'

const NESTED: StructuralSchema = {
  type: 'object',
  properties: {
    always: { type: 'object', default: {}, properties: { count: { type: 'integer', default: 3 } } },
    asked: { type: 'object', properties: { count: { type: 'integer', default: 4 } } },
    free: { type: 'integer', nullable: true },
    list: {
      type: 'array',
      items: { type: 'object', properties: { on: { type: 'boolean', default: true } } },
    },
    map: {
      type: 'object',
      additionalProperties: { type: 'object', properties: { x: { type: 'string', default: '' } } },
    },
  },
}

const CASES: readonly { given: string; value: object; completed: object }[] = [
  { given: 'nothing', value: {}, completed: { always: { count: 3 } } },
  {
    given: 'an object on the way',
    value: { asked: {} },
    completed: { always: { count: 3 }, asked: { count: 4 } },
  },
  { given: 'a forbidden null', value: { always: null, asked: null }, completed: { always: { count: 3 } } },
  { given: 'an allowed null', value: { free: null }, completed: { free: null, always: { count: 3 } } },
  {
    given: 'items',
    value: { list: [{}, { on: false }] },
    completed: { list: [{ on: true }, { on: false }], always: { count: 3 } },
  },
  {
    given: 'values of a map',
    value: { map: { a: {} } },
    completed: { map: { a: { x: '' } }, always: { count: 3 } },
  },
  { given: 'a falsy value', value: { always: { count: 0 } }, completed: { always: { count: 0 } } },
]

for (const { given, value, completed } of CASES) {
  test(`${given} is completed`, () => {
    const before = structuredClone(value)
    assert.deepEqual(applyDefaults(NESTED, value), completed)
    assert.deepEqual(value, before, 'the value itself stays')
  })
}

const PARTITIONS = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]

test('the smallest job becomes a complete one', () => {
  const spec = completeSpec({ partitions: PARTITIONS })
  assert.equal(spec.rounds, 10)
  assert.equal(spec.trainer.segmentAnything?.checkpoint.uri, 'hf://facebook/sam-vit-base')
  assert.equal(spec.trainer.segmentAnything?.learningRate, 1e-5)
  assert.equal(spec.partitions[2]?.dataset.heldOutFraction, 0.2)
  assert.equal(spec.storage, undefined)
  assert.deepEqual(completeSpec(spec), spec, 'completing twice changes nothing')
})

test('a partition that only evaluates holds all of its images out, unless the job says how many', () => {
  const spec = completeSpec({
    partitions: [
      { name: 'site' },
      { name: 'public', train: false },
      { name: 'half', train: false, dataset: { heldOutFraction: 0.5 } },
      { name: 'none', dataset: { heldOutFraction: 0 } },
    ],
  })
  assert.deepEqual(
    spec.partitions.map(({ dataset }) => dataset.heldOutFraction),
    [0.2, 1, 0.5, 0],
  )
  assert.deepEqual(completeSpec(spec), spec)
})

test('quorum and minAvailableClients follow minFitClients', () => {
  const spec = completeSpec({ partitions: PARTITIONS, strategy: { minFitClients: 3 } })
  assert.equal(spec.round.quorum, 3)
  assert.equal(spec.strategy.minAvailableClients, 3)
  const own = completeSpec({
    partitions: PARTITIONS,
    round: { quorum: 1 },
    strategy: { minAvailableClients: 3 },
  })
  assert.equal(own.round.quorum, 1)
  assert.equal(own.strategy.minAvailableClients, 3)
})

test('a strategy without its parameters has those of Flower', () => {
  const parameters = (type: 'FedAvgM' | 'FedAdam' | 'FedYogi' | 'FedAdagrad' | 'FedTrimmedAvg') =>
    Object.values(completeSpec({ partitions: PARTITIONS, strategy: { type } }).strategy).find(
      (value) => typeof value === 'object',
    )
  assert.deepEqual(parameters('FedAvgM'), { serverLearningRate: 1, serverMomentum: 0 })
  assert.deepEqual(parameters('FedAdam'), { eta: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-3 })
  assert.deepEqual(parameters('FedYogi'), { eta: 0.01, beta1: 0.9, beta2: 0.99, tau: 1e-3 })
  assert.deepEqual(parameters('FedAdagrad'), { eta: 0.1, tau: 1e-3 })
  assert.deepEqual(parameters('FedTrimmedAvg'), { beta: 0.2 })
})
