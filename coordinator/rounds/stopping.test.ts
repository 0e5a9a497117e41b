import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bestRound, decideStop, type Evaluated, type StoppingRule } from './stopping.ts'

/** Evaluations of models 0, 1, 2 …, by dice; loss is 1 - dice. */
const history = (...dice: number[]): Evaluated[] =>
  dice.map((value, round) => ({
    round,
    evaluation: { loss: 1 - value, numExamples: 1, metrics: { dice: value } },
  }))

const rule = (stopWhen: Partial<NonNullable<StoppingRule['stopWhen']>>): StoppingRule => ({
  bestBy: { metric: 'dice', mode: 'Max' },
  stopWhen: { metric: 'dice', mode: 'Max', patience: null, target: null, ...stopWhen },
})
const AT = { round: 3, rounds: 10 }

describe('the best round', () => {
  test('has the largest value, or the smallest where less is better; the earliest of equals', () => {
    const dice = history(0.1, 0.7, 0.3, 0.7)
    assert.deepEqual(bestRound(rule({}), dice), { round: 1, metric: 'dice', value: 0.7 })
    const byLoss: StoppingRule = { bestBy: { metric: 'loss', mode: 'Min' }, stopWhen: null }
    assert.equal(bestRound(byLoss, dice)?.round, 1)
    assert.equal(bestRound({ ...byLoss, bestBy: { metric: 'loss', mode: 'Max' } }, dice)?.round, 0)
  })

  test('is null without a rule, an evaluation, or the metric', () => {
    assert.equal(bestRound({ bestBy: null, stopWhen: null }, history(0.5)), null)
    assert.equal(bestRound(rule({}), []), null)
    assert.equal(bestRound({ bestBy: { metric: 'iou', mode: 'Max' }, stopWhen: null }, history(0.5)), null)
  })
})

describe('training', () => {
  test('ends with the last round', () => {
    assert.equal(decideStop(rule({}), history(0.5), { round: 9, rounds: 10 }), null)
    assert.equal(decideStop(rule({}), history(0.5), { round: 10, rounds: 10 })?.reason, 'LastRound')
  })

  test('ends when the last evaluation reached the target', () => {
    assert.equal(decideStop(rule({ target: 0.9 }), history(0.5, 0.89), AT), null)
    assert.equal(decideStop(rule({ target: 0.9 }), history(0.5, 0.9), AT)?.reason, 'TargetReached')
    assert.equal(
      decideStop(rule({ target: 0.9 }), history(0.95, 0.5), AT),
      null,
      'it was there once, it is not now',
    )
    const low = rule({ metric: 'loss', mode: 'Min', target: 0.1 })
    assert.equal(decideStop(low, history(0.5, 0.91), AT)?.reason, 'TargetReached')
  })

  test('ends after `patience` rounds without a better one', () => {
    const patient = rule({ patience: 2 })
    assert.equal(decideStop(patient, history(0.5, 0.6, 0.55), AT), null)
    assert.equal(decideStop(patient, history(0.5, 0.6, 0.55, 0.6), AT)?.reason, 'NoImprovement')
    assert.equal(decideStop(patient, history(0.5, 0.6, 0.55, 0.61), AT), null)
  })

  test('continues where no client reports the metric', () => {
    assert.equal(
      decideStop(rule({ metric: 'iou', target: 0.1, patience: 1 }), history(0.5, 0.4, 0.3), AT),
      null,
    )
  })
})
