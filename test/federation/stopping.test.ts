// What ends a run, what it leaves, and what it keeps: early stop, best round, retention, cohorts as Flower counts them,
// partitions that only evaluate, initial parameters from a file, updates that go up in parts.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { sha256 } from '#protocol/digest.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { quadraticWork } from '../trainers/quadratic.ts'
import { eventsOf, openFederation, runFederation } from './federation.ts'
import { closedOf, planOf, receiptOf, resultOf } from './record.ts'

/** The quadratic problem gets better each round; this makes the model of round 2 look best, and all others worse. */
const BEST_AT_2 = (client: string) => {
  const work = quadraticWork({ client, size: 100 })
  return {
    ...work,
    evaluate: async ({ config }: { config: Readonly<Record<string, string>> }) => {
      const model = Number(config.server_round) - 1
      return { loss: 1, num_examples: 1, metrics: { score: model === 2 ? 0.9 : 0.1 * model } }
    },
  }
}

describe('early stop', () => {
  test('at the target: the round whose evaluation shows it is the last', async () => {
    const { events, outcome, store } = await runFederation({
      clients: ['a', 'b'],
      rounds: 20,
      fixed: {
        stopping: {
          bestBy: { metric: 'closeness', mode: 'Max' },
          stopWhen: { metric: 'closeness', mode: 'Max', patience: null, target: 0.88 },
        },
      },
    })
    const rounds = outcome!.rounds
    assert.ok(rounds < 20, `${rounds} rounds`)
    const stop = (await closedOf(store, rounds)).stop
    assert.equal(stop?.reason, 'TargetReached')
    for (const { round, evaluation } of eventsOf(events, 'RoundCompleted').slice(0, rounds - 1)) {
      assert.ok(evaluation!.metrics.closeness! < 0.88, `round ${round}`)
    }
  })

  test('without improvement for `patience` rounds; the best model is what the run leaves', async () => {
    const federation = await openFederation({
      clients: ['a', 'b'],
      rounds: 20,
      fixed: {
        stopping: {
          bestBy: { metric: 'score', mode: 'Max' },
          stopWhen: { metric: 'score', mode: 'Max', patience: 3, target: null },
        },
      },
    })
    try {
      for (const client of ['a', 'b']) void federation.work(client, { work: BEST_AT_2(client) })
      const outcome = await federation.coordinate()
      const { store } = federation
      assert.equal(
        outcome.rounds,
        6,
        'model 5 is the third after the best, its evaluation belongs to round 6',
      )
      assert.equal((await closedOf(store, 6)).stop?.reason, 'NoImprovement')
      const best = await resultOf(store, 2)
      assert.equal(await federation.model(), best.model.sha256)
      assert.equal(outcome.evaluation?.metrics.score, 0.9)

      // Payloads of rounds long past are gone, markers are not, and the best model stays.
      assert.notEqual(await store.size(best.model.key), undefined, 'the best model')
      for (const round of [1, 3, 4]) {
        const { model } = await resultOf(store, round)
        assert.equal(await store.size(model.key), undefined, `the model of round ${round}`)
        for (const client of ['a', 'b']) {
          const { upload } = (await receiptOf(store, round, client)).update!
          assert.equal(
            await store.size(attemptKeys(round, 1).payload(client, upload)),
            undefined,
            `round ${round}`,
          )
        }
      }
      for (const round of [5, 6]) {
        assert.notEqual(await store.size((await resultOf(store, round)).model.key), undefined)
      }
      const { problems, complete } = await verifyRecord(store)
      assert.deepEqual(problems, [])
      assert.equal(complete, true)
    } finally {
      await federation.close()
    }
  })
})

describe('who takes part', () => {
  test('a cohort as Flower counts it: max(floor(available × fractionFit), minFitClients)', async () => {
    const clients = ['a', 'b', 'c', 'd', 'e']
    for (const [fractionFit, minFitClients, size] of [
      [0.5, 1, 2],
      [0.5, 4, 4],
      [0.1, 2, 2],
      [1, 2, 5],
    ] as const) {
      const { store, events } = await runFederation({
        clients,
        rounds: 2,
        fixed: { fractionFit, minFitClients },
        round: { quorum: 1 },
      })
      for (const round of [1, 2]) {
        const { cohort, evaluators } = await planOf(store, round)
        assert.equal(cohort.length, size, `${fractionFit} of 5, at least ${minFitClients}`)
        assert.deepEqual(evaluators, clients)
      }
      for (const { accepted, outcomes, evaluations } of eventsOf(events, 'RoundCompleted').slice(0, 2)) {
        assert.equal(accepted.length, size)
        assert.equal(outcomes.filter(({ outcome }) => outcome === 'NotSelected').length, 5 - size)
        assert.equal(evaluations.length, 5)
      }
    }
  })

  test('a partition with train: false only evaluates', async () => {
    const { events, store } = await runFederation({ clients: ['a', 'b'], onlookers: ['public'], rounds: 2 })
    for (const round of [1, 2]) {
      const { cohort, evaluators } = await planOf(store, round)
      assert.deepEqual(cohort, ['a', 'b'])
      assert.deepEqual(evaluators, ['a', 'b', 'public'])
      assert.equal((await receiptOf(store, round, 'public')).update, null)
    }
    for (const { evaluations } of eventsOf(events, 'RoundCompleted')) {
      assert.deepEqual(
        evaluations.map(({ client }) => client),
        ['a', 'b', 'public'],
      )
    }
  })

  test('fractionEvaluate 0 evaluates nothing', async () => {
    const { events } = await runFederation({ clients: ['a', 'b'], rounds: 1, fixed: { fractionEvaluate: 0 } })
    const completed = eventsOf(events, 'RoundCompleted')
    assert.equal(completed.length, 1)
    assert.equal(completed[0]?.evaluation, null)
  })
})

test('initial parameters from a file, in any order of tensors', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-initial-'))
  try {
    const file = join(folder, 'initial.safetensors')
    await quadraticWork({ client: 'a', size: 1000 }).getParameters(file)
    const origin = { kind: 'InitialParameters', file } as const
    const { store, model } = await runFederation({ clients: ['a', 'b'], rounds: 1, fixed: { origin } })
    assert.deepEqual((await resultOf(store, 0)).origin, { kind: 'InitialParameters', client: null })
    const asked = await runFederation({ clients: ['a', 'b'], rounds: 1 })
    assert.equal((await resultOf(asked.store, 0)).origin?.kind, 'Client')
    assert.equal(model, asked.model)
    const federation = await openFederation({
      clients: ['a', 'b'],
      fixed: { origin: { kind: 'InitialParameters', file: join(folder, 'none') } },
    })
    await assert.rejects(federation.coordinate(), { code: 'BadCheckpoint', message: /initialParameters/ })
    await federation.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('an update of more than 32 MiB goes up in parts, and has the same bytes', async () => {
  const memory = createMemoryStore()
  const opened: string[] = []
  const store: ObjectStore = {
    ...memory,
    openUpload: (key) => {
      opened.push(key)
      return memory.openUpload(key)
    },
  }
  const transfers = createGrantedTransfers({ memory })
  const { store: left } = await runFederation({
    clients: ['a', 'b'],
    rounds: 1,
    size: 9_000_000,
    store,
    transfers,
  })
  assert.equal(opened.length, 3, 'the initial parameters and two updates')
  for (const client of ['a', 'b']) {
    const { upload, size, sha256: wanted } = (await receiptOf(left, 1, client)).update!
    const body = (await left.get(attemptKeys(1, 1).payload(client, upload)))!
    assert.ok(size > 32 * 2 ** 20)
    assert.equal(sha256(body), wanted)
  }
  assert.deepEqual((await verifyRecord(left)).problems, [])
})
