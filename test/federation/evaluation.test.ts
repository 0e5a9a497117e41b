// Evaluations that fail or have nothing to measure: the client still trains, its update counts, and the record, the events
// and the lines say what became of the evaluation.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEventLines } from '#cli/render/lines.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import { type NotEvaluated, readMarker } from '#protocol/record.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'
import { quadraticWork } from '../trainers/quadratic.ts'
import { eventsOf, openFederation } from './federation.ts'

type Evaluate = TrainerWork['evaluate']
const answering = (loss: number, num_examples: number, metrics = {}): Evaluate => {
  return async () => ({ loss, num_examples, metrics })
}

/** What each client's evaluate does, and what becomes of it. */
const CASES: Readonly<Record<string, readonly [Evaluate, NotEvaluated['outcome'], RegExp]>> = {
  nothing: [answering(0, 0), 'Nothing', /^$/],
  'nan-of-nothing': [answering(Number.NaN, 0), 'Nothing', /^$/],
  raises: [() => Promise.reject(new Error('no such layer')), 'Failed', /no such layer/],
  'nan-loss': [answering(Number.NaN, 4), 'Failed', /loss NaN.*not a finite number.*learning rate/],
  infinite: [answering(Number.NEGATIVE_INFINITY, 4), 'Failed', /loss -Infinity/],
  enormous: [answering(1e300, 4), 'Failed', /loss 1e\+300, which is above 1e\+200/],
  'half-count': [answering(1, 2.5), 'Failed', /num_examples 2\.5: return a whole number from 0/],
  'nan-count': [answering(1, Number.NaN), 'Failed', /num_examples NaN/],
  'minus-count': [answering(1, -3), 'Failed', /num_examples -3/],
  'large-count': [answering(1, MAX_NUM_EXAMPLES + 1), 'Failed', /num_examples 536870913/],
}

/** Runs these clients for one round; all of them must be accepted. */
async function run(evaluates: Readonly<Record<string, Evaluate | undefined>>) {
  const clients = Object.keys(evaluates)
  const all = clients.length
  const federation = await openFederation({
    clients,
    rounds: 1,
    size: 10,
    fixed: { minFitClients: all, minAvailableClients: all },
    round: { quorum: all },
  })
  try {
    for (const client of clients) {
      const work = quadraticWork({ client, size: 10 })
      const evaluate = evaluates[client] ?? work.evaluate
      void federation.work(client, { work: { ...work, evaluate } })
    }
    const outcome = await federation.coordinate()
    const { events, store } = federation
    const rounds = eventsOf(events, 'RoundCompleted').filter(({ round }) => round > 0)
    const line = createEventLines(1)
    const lines = events.flatMap((event) => line(event).said ?? [])
    return { outcome, rounds, events, store, lines }
  } finally {
    await federation.close()
  }
}

describe('clients whose evaluation fails or measures nothing', () => {
  test('train, and are named with the reason in record, events and lines', async () => {
    const evaluates = Object.fromEntries(
      Object.entries(CASES).map(([client, [evaluate]]) => [client, evaluate]),
    )
    const { outcome, rounds, events, store, lines } = await run({ good: undefined, ...evaluates })
    assert.equal(rounds.length, 2, 'a round that trains and one that evaluates the last model')
    assert.deepEqual(rounds[0]!.accepted, ['good', ...Object.keys(CASES)].sort())
    for (const { attempt, round, evaluations, evaluation, notEvaluated } of rounds) {
      assert.deepEqual(
        evaluations.map(({ client }) => client),
        ['good'],
      )
      assert.equal(evaluation?.loss, evaluations[0]!.loss)
      const decision = readMarker('decision', '', (await store.get(attemptKeys(round, attempt).decision))!)
      assert.ok(decision.kind === 'Closed')
      assert.deepEqual(decision.notEvaluated, notEvaluated)
      assert.deepEqual(
        notEvaluated.map(({ client }) => client),
        Object.keys(CASES).sort(),
      )
      for (const { client, outcome: became, message } of notEvaluated) {
        const [, wanted, says] = CASES[client]!
        assert.equal(became, wanted, client)
        assert.match(message, says, client)
      }
      const failed = eventsOf(events, 'EvaluationFailed').filter((event) => event.round === round)
      assert.deepEqual(
        failed.map(({ client }) => client).sort(),
        Object.keys(CASES)
          .filter((client) => CASES[client]![1] === 'Failed')
          .sort(),
      )
    }
    assert.equal(outcome.evaluation?.loss, rounds[1]!.evaluation!.loss)
    assert.deepEqual((await verifyRecord(store)).problems, [])
    const text = lines.join('\n')
    assert.match(text, /round 1: the evaluation of raises failed: TrainerFailed: Error: no such layer/)
    assert.match(
      text,
      /model of round 0, held-out, by 1 of 11 clients: loss .*nothing: Nothing.*raises: Failed/,
    )
  })

  test('a round that nobody evaluated says so', async () => {
    const { outcome, rounds, lines } = await run({ a: answering(0, 0), b: CASES.raises![0] })
    assert.deepEqual(rounds[0]!.accepted, ['a', 'b'])
    assert.equal(rounds[0]!.evaluation, null)
    assert.equal(outcome.evaluation, null)
    const text = lines.join('\n')
    assert.match(text, /model of round 0: no client evaluated it \(a: Nothing, b: Failed\)/)
    assert.match(text, /complete after 1 round: the model was not evaluated/)
  })

  test('a round whose clients all evaluate names nobody', async () => {
    const { rounds, lines } = await run({ a: undefined, b: undefined })
    assert.deepEqual(rounds[0]!.notEvaluated, [])
    assert.match(lines.join('\n'), /model of round 0, held-out: loss [\d.]+, closeness [\d.]+$/m)
  })
})
