// The column METRIC: the metric that the job declares, else one that its clients report.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { shownMetric } from './shown-metric.ts'

const METRICS = { loss: 0.2, dice: 0.91239, accuracy: 0.8 }
const of = (evaluation: object | null): CompleteFederatedJobSpec['evaluation'] =>
  evaluation as CompleteFederatedJobSpec['evaluation']

const table: readonly [
  what: string,
  evaluation: object | null,
  metrics: Record<string, number> | undefined,
  shown: string | undefined,
][] = [
  ['the declared one', { bestBy: { metric: 'dice' } }, METRICS, 'dice 0.912'],
  ['the one that stops the run', { stopWhen: { metric: 'dice' } }, METRICS, 'dice 0.912'],
  [
    'the declared one before that',
    { bestBy: { metric: 'loss' }, stopWhen: { metric: 'dice' } },
    METRICS,
    'loss 0.200',
  ],
  ['without a declared one the first by name', null, METRICS, 'accuracy 0.800'],
  ['nothing beside the loss', null, { loss: 0.2 }, undefined],
  ['nothing that nobody reported', { bestBy: { metric: 'iou' } }, METRICS, undefined],
  ['nothing of an object that is not there', { bestBy: { metric: 'constructor' } }, METRICS, undefined],
  ['nothing before the first evaluation', null, undefined, undefined],
  ['a long name cut short', null, { ['x'.repeat(500)]: 1 }, `${'x'.repeat(40)} 1.000`],
]
for (const [what, evaluation, metrics, shown] of table) {
  test(`the summary shows ${what}`, () => {
    assert.equal(shownMetric(of(evaluation), metrics), shown)
  })
}
