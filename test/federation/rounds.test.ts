// Whole federations in one process: what Flower users expect of rounds, and what the record promises.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runFederation } from './federation.ts'

test('three clients, three rounds, one model', async () => {
  const { outcome, events } = await runFederation({ clients: ['a', 'b', 'c'] })
  assert.equal(outcome.rounds, 3)
  const completed = events.filter(({ event }) => event === 'RoundCompleted')
  assert.equal(completed.length, 4, 'three training rounds and the evaluation of the last model')
})
