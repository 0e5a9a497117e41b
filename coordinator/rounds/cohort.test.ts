import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type CohortInput, chooseCohort, cohortSize } from './cohort.ts'

const INPUT: CohortInput = {
  seed: 7,
  round: 1,
  attempt: 1,
  trainers: ['a', 'b', 'c', 'd'],
  onlookers: ['public'],
  fractionFit: 0.5,
  minFitClients: 1,
  fractionEvaluate: 1,
}

describe('the size of a cohort', () => {
  // As flwr.server.strategy.FedAvg.num_fit_clients: max(int(available * fraction), minimum).
  for (const [available, fraction, minimum, wanted] of [
    [10, 0.5, 2, 5],
    [10, 0.59, 2, 5],
    [10, 0.1, 2, 2],
    [3, 1, 2, 3],
    [3, 0.1, 5, 3],
    [0, 1, 2, 0],
  ] as const) {
    test(`${fraction} of ${available}, at least ${minimum}: ${wanted}`, () => {
      assert.equal(cohortSize(available, fraction, minimum), wanted)
    })
  }
})

describe('the choice', () => {
  test('depends on seed, round, attempt and names alone, not on their order', () => {
    const name = fc.stringMatching(/^[a-z]{1,6}$/)
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 12 }), fc.nat(), (trainers, seed) => {
        const one = chooseCohort({ ...INPUT, trainers, seed })
        const other = chooseCohort({ ...INPUT, trainers: [...trainers].reverse(), seed })
        assert.deepEqual(one, other)
        assert.deepEqual(one.cohort, [...one.cohort].sort())
        assert.ok(one.cohort.every((client) => trainers.includes(client)))
      }),
    )
  })

  test('changes with the round and the attempt, so that each client has a turn', () => {
    const chosen = Array.from({ length: 20 }, (_, i) =>
      chooseCohort({ ...INPUT, round: i + 1 }).cohort.join(),
    )
    assert.ok(new Set(chosen).size > 3)
    const again = Array.from({ length: 20 }, (_, i) =>
      chooseCohort({ ...INPUT, attempt: i + 1 }).cohort.join(),
    )
    assert.ok(new Set(again).size > 3)
  })

  test('never asks a client that only evaluates to train', () => {
    const { cohort, evaluators } = chooseCohort({ ...INPUT, fractionFit: 1 })
    assert.deepEqual(cohort, ['a', 'b', 'c', 'd'])
    assert.deepEqual(evaluators, ['a', 'b', 'c', 'd', 'public'])
  })

  test('evaluators are a fraction of the available, not of the cohort', () => {
    assert.equal(chooseCohort({ ...INPUT, fractionEvaluate: 0.4 }).evaluators.length, 2)
    assert.deepEqual(chooseCohort({ ...INPUT, fractionEvaluate: 0 }).evaluators, [])
    // As flwr.server.strategy.FedAvg.num_evaluation_clients: int(available * fraction).
    assert.equal(chooseCohort({ ...INPUT, fractionEvaluate: 0.5 }).evaluators.length, 2)
    assert.equal(chooseCohort({ ...INPUT, fractionEvaluate: 0.99 }).evaluators.length, 4)
    assert.deepEqual(chooseCohort({ ...INPUT, fractionEvaluate: 0.19 }).evaluators, [])
  })
})
