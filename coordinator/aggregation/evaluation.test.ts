import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meanEvaluation } from './evaluation.ts'

test('loss and metrics are weighted by examples', () => {
  const mean = meanEvaluation([
    { loss: 1, numExamples: 1, metrics: { dice: 0.5 } },
    { loss: 2, numExamples: 3, metrics: { dice: 0.9 } },
  ])
  assert.deepEqual(mean, { loss: 1.75, numExamples: 4, metrics: { dice: (0.5 + 3 * 0.9) / 4 } })
})

test('a metric counts only where every client reports it', () => {
  const mean = meanEvaluation([
    { loss: 1, numExamples: 1, metrics: { dice: 1, iou: 1 } },
    { loss: 1, numExamples: 1, metrics: { dice: 0, accuracy: 1 } },
  ])
  assert.deepEqual(mean?.metrics, { dice: 0.5 })
})

test('a client without evaluated examples does not count, and the mean of no client is null', () => {
  const empty = { loss: 9, numExamples: 0, metrics: {} }
  assert.equal(meanEvaluation([]), null)
  assert.equal(meanEvaluation([empty]), null)
  assert.deepEqual(meanEvaluation([empty, { loss: 1, numExamples: 2, metrics: { dice: 1 } }]), {
    loss: 1,
    numExamples: 2,
    metrics: { dice: 1 },
  })
})
