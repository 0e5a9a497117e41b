// The metric that a job ranks and stops by: the run ends where no client reports it, and says so where some do not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoppingRule } from '#coordinator/rounds/stopping.ts'
import { resultKey } from '#protocol/keys.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'
import { quadraticWork } from '../trainers/quadratic.ts'
import { eventsOf, openFederation } from './federation.ts'
import { closedOf } from './record.ts'

const byDice = (metric: string): StoppingRule => ({
  bestBy: { metric, mode: 'Max' },
  stopWhen: { metric, mode: 'Max', patience: 1, target: null },
})

/** Reports these metrics of the model of each round. */
function reporting(
  client: string,
  metricsOf: (model: number) => Readonly<Record<string, number>>,
): TrainerWork {
  return {
    ...quadraticWork({ client, size: 10 }),
    evaluate: async ({ config }) => {
      return { loss: 1, num_examples: 1, metrics: metricsOf(Number(config.server_round) - 1) }
    },
  }
}

test('no client reports it: the run ends at the first evaluation, and at once when it is started again', async () => {
  const federation = await openFederation({
    clients: ['a', 'b'],
    rounds: 5,
    fixed: { stopping: byDice('dcie') },
  })
  const { events, store } = federation
  try {
    for (const [client, metrics] of [
      ['a', { dice: 0.5 }],
      ['b', { iou: 0.5 }],
    ] as const)
      void federation.work(client, { work: reporting(client, () => metrics) })
    const failed = {
      code: 'RunFailed',
      reason: 'MetricNotReported',
      message:
        'no client reports dcie, which spec.evaluation.bestBy and spec.evaluation.stopWhen name; reported: dice, iou, loss',
    }
    await assert.rejects(federation.coordinate(), failed)
    assert.deepEqual(
      eventsOf(events, 'RunFailed').map(({ reason }) => reason),
      ['MetricNotReported'],
    )
    assert.equal(await store.size(resultKey(1)), undefined, 'no round was completed')
    await assert.rejects(federation.coordinate(), failed)
  } finally {
    await federation.close()
  }
})

test('one client does not report it: it does not count for that model, and the run says who', async () => {
  const federation = await openFederation({
    clients: ['a', 'b'],
    rounds: 5,
    fixed: { stopping: byDice('dice') },
  })
  const { events, store } = federation
  try {
    // The model of round 1 would be the best one.
    const dice = (model: number) => ({ dice: model === 1 ? 0.9 : 0.1 * model })
    void federation.work('a', { work: reporting('a', dice) })
    void federation.work('b', { work: reporting('b', (model) => (model === 1 ? {} : dice(model))) })
    const outcome = await federation.coordinate()
    assert.equal(outcome.rounds, 5, 'the model of round 1 does not count, and each later one is better')
    assert.deepEqual(eventsOf(events, 'MetricMissing'), [
      {
        event: 'MetricMissing',
        round: 1,
        metric: 'dice',
        fields: ['bestBy', 'stopWhen'],
        without: ['b'],
        reported: ['dice', 'loss'],
      },
    ])
    assert.equal((await closedOf(store, 2)).evaluation?.metrics.dice, undefined)
    assert.equal(outcome.evaluation?.metrics.dice, 0.5, 'the best one is the last')
  } finally {
    await federation.close()
  }
})

test('clients that stop reporting it lose neither the run nor the best model', async () => {
  const federation = await openFederation({
    clients: ['a', 'b'],
    rounds: 3,
    fixed: { stopping: { ...byDice('dice'), stopWhen: null } },
  })
  try {
    for (const client of ['a', 'b'])
      void federation.work(client, {
        work: reporting(client, (model): Record<string, number> => (model < 2 ? { dice: model } : {})),
      })
    const outcome = await federation.coordinate()
    assert.equal(outcome.rounds, 3)
    assert.equal(outcome.evaluation?.metrics.dice, 1, 'the model of round 1')
    assert.deepEqual(
      eventsOf(federation.events, 'MetricMissing').map(({ round, without }) => [round, ...without]),
      [
        [2, 'a', 'b'],
        [3, 'a', 'b'],
      ],
    )
  } finally {
    await federation.close()
  }
})
