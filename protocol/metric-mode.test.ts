// Which value of a metric is the better one, by its name; and that the schema's rule knows the same names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec, SPEC_SCHEMA } from './defaults.ts'
import { LESS_IS_BETTER, MORE_IS_BETTER, modeByName, withMode } from './metric-mode.ts'

const partitions = [{ name: 'a' }, { name: 'b' }]

test('a word of the name decides; case, digits and other words do not matter', () => {
  const min = [
    'loss',
    'val_loss',
    'Loss',
    'test.LOSS.total',
    'dice_loss',
    'score-error',
    'hd95',
    'HD',
    'rmse2',
  ]
  const max = ['dice', 'mIoU', 'val_acc', 'top5.accuracy', 'F1', 'f1_score', 'map50', 'dice_1', 'mean-iou']
  const unknown = ['', 'lossless', 'mydice', 'closs', 'speed', 'f', 'm', '95', 'dice1x', '_', 'validation']
  for (const name of min) assert.equal(modeByName(name), 'Min', name)
  for (const name of max) assert.equal(modeByName(name), 'Max', name)
  for (const name of unknown) assert.equal(modeByName(name), undefined, name)
})

test('what the job says itself comes first', () => {
  assert.equal(withMode({ metric: 'loss', mode: 'Max' }).mode, 'Max')
  assert.equal(withMode({ metric: 'loss' }).mode, 'Min')
  assert.equal(withMode({ metric: 'speed', mode: 'Min' }).mode, 'Min')
})

test('a completed spec has the modes, and keeps the rest', () => {
  const evaluation = { bestBy: { metric: 'loss' }, stopWhen: { metric: 'dice', patience: 3 } }
  const completed = completeSpec({ partitions, evaluation })
  assert.deepEqual(completed.evaluation, {
    bestBy: { metric: 'loss', mode: 'Min' },
    stopWhen: { metric: 'dice', patience: 3, mode: 'Max' },
  })
  assert.deepEqual(completeSpec(completed).evaluation, completed.evaluation)
  assert.equal('evaluation' in completeSpec({ partitions }), false)
})

/** The rule's own expression, as the API server matches it. */
function knownToSchema(): RegExp {
  const rules = SPEC_SCHEMA.properties?.evaluation?.properties?.bestBy?.['x-kubernetes-validations'] ?? []
  return new RegExp(/matches\('(.*)'\)/.exec(rules[0]!.rule)![1]!)
}

test('the rule of the schema knows the same words', () => {
  const known = knownToSchema()
  const words = [...LESS_IS_BETTER, ...MORE_IS_BETTER]
  assert.equal(new Set(words).size, words.length, 'no word says both')
  const pieces = [...words, 'x', 'un', '1', '95', 'MEAN', 'Val', 'ss']
  const joints = ['', '_', '.', '-']
  const names = pieces.flatMap((first) =>
    pieces.flatMap((second) => joints.map((joint) => `${first}${joint}${second}`)),
  )
  for (const name of [...pieces, ...names, ...words.map((word) => word.toUpperCase())])
    assert.equal(known.test(name), modeByName(name) !== undefined, name)
  for (const word of words) {
    const alternatives = known.source.split(/[:|)]/)
    assert.ok(alternatives.includes(word), `${word} is in the rule`)
  }
})
