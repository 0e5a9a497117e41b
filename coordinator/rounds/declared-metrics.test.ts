// Which declared metrics an evaluation lacks, and whether a later evaluation may have them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DeclaredInput, missingMetrics } from './declared-metrics.ts'

const rule: DeclaredInput['rule'] = {
  bestBy: { metric: 'dice', mode: 'Max' },
  stopWhen: { metric: 'dice', mode: 'Max', patience: 3, target: null },
}
const evaluated = (client: string, metrics: Record<string, number>, numExamples = 1) => {
  return { client, loss: 1, numExamples, metrics }
}
const judge = (input: Partial<DeclaredInput>) =>
  missingMetrics({ rule, asked: ['a', 'b'], evaluations: [], history: [], ...input })

test('a metric that every client reports counts', () => {
  const evaluations = [evaluated('a', { dice: 1 }), evaluated('b', { dice: 0, iou: 1 })]
  assert.deepEqual(judge({ evaluations }), [])
})

test('a client that evaluated no example does not count', () => {
  assert.deepEqual(judge({ evaluations: [evaluated('a', { dice: 1 }), evaluated('b', {}, 0)] }), [])
})

test('part of the clients report it: it does not count, and may later', () => {
  const [missing] = judge({ evaluations: [evaluated('a', { dice: 1 }), evaluated('b', { iou: 1 })] })
  assert.deepEqual(missing, {
    metric: 'dice',
    fields: ['bestBy', 'stopWhen'],
    without: ['b'],
    reported: ['dice', 'iou', 'loss'],
    isHopeless: false,
  })
})

test('no client reports it: hopeless, unless an earlier model had it', () => {
  const evaluations = [evaluated('a', { iou: 1 }), evaluated('b', {})]
  assert.equal(judge({ evaluations })[0]?.isHopeless, true)
  const before = (metrics: Record<string, number>) => [
    { round: 0, evaluation: { loss: 1, numExamples: 1, metrics } },
  ]
  assert.equal(judge({ evaluations, history: before({ iou: 1 }) })[0]?.isHopeless, true)
  assert.equal(judge({ evaluations, history: before({ dice: 1 }) })[0]?.isHopeless, false)
})

test('no client evaluated: every evaluator is named, and it is not hopeless', () => {
  const [missing] = judge({})
  assert.deepEqual([missing?.without, missing?.reported, missing?.isHopeless], [['a', 'b'], [], false])
})

test('each metric by itself; loss is always there; a name of Object is a name like any other', () => {
  const declared = (bestBy: string, stopWhen: string): Partial<DeclaredInput> => ({
    rule: {
      bestBy: { metric: bestBy, mode: 'Max' },
      stopWhen: { metric: stopWhen, mode: 'Max', patience: 1, target: null },
    },
    evaluations: [evaluated('a', {})],
  })
  const metrics = (input: Partial<DeclaredInput>) =>
    judge(input).map(({ metric, fields }) => `${metric}: ${fields}`)
  assert.deepEqual(metrics(declared('loss', 'constructor')), ['constructor: stopWhen'])
  assert.deepEqual(metrics(declared('x', 'y')), ['x: bestBy', 'y: stopWhen'])
  assert.deepEqual(metrics({ rule: { bestBy: null, stopWhen: null }, evaluations: [] }), [])
})
