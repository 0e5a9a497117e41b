// The estimate against hand-made sums.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { estimateRound, payloadBytes, type RoundDemand } from './estimate.ts'

const LIST = [{ name: 'w', shape: [1000], dtype: 'F32', rule: 'Optimise' }] as const

const DEMAND: RoundDemand = {
  rounds: 10,
  clients: 3,
  onlookers: 0,
  fractionFit: 1,
  minFitClients: 2,
  fractionEvaluate: 1,
  list: LIST,
  vectors: 0,
  measures: false,
  memoryBytes: 512 * 1024 * 1024,
  partitions: [{ name: 'a', train: 18, heldOut: 6 }],
  epochs: 2,
  batchSize: 4,
}

test('one payload is the header and the data', () => {
  const header = 8 + '{"w":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}'.length
  assert.equal(payloadBytes(LIST), Math.ceil(header / 8) * 8 + 4000)
})

test('every client fetches, the cohort sends, and updates that stay in memory are read once', () => {
  const { modelBytes, bytes, steps } = estimateRound(DEMAND)
  assert.deepEqual(bytes, {
    down: 3 * modelBytes,
    up: 3 * modelBytes,
    read: 4 * modelBytes,
    written: modelBytes,
  })
  assert.deepEqual(steps, { a: 10 })
})

test('updates that do not fit into memory are read again', () => {
  const { modelBytes, bytes } = estimateRound({ ...DEMAND, memoryBytes: 4 })
  // Six times an update, three times the base beside it, and once in the fold.
  assert.equal(bytes.read, 10 * modelBytes)
})

test('a server optimizer with state reads and writes it in f64', () => {
  const { modelBytes, bytes } = estimateRound({ ...DEMAND, vectors: 2 })
  assert.equal(bytes.written, modelBytes + 2 * 1000 * 8)
})

test('a fraction of the clients trains, at least minFitClients', () => {
  assert.equal(estimateRound({ ...DEMAND, clients: 10, fractionFit: 0.1 }).cohort, 2)
  assert.equal(estimateRound({ ...DEMAND, clients: 10, fractionFit: 0.55 }).cohort, 5)
})

test('the clients that evaluate are a share of all clients, rounded down', () => {
  const evaluators = (given: Partial<RoundDemand>) => estimateRound({ ...DEMAND, ...given }).evaluators
  assert.equal(evaluators({ fractionEvaluate: 0.5 }), 1)
  assert.equal(evaluators({ fractionEvaluate: 0.99 }), 2)
  assert.equal(evaluators({ fractionEvaluate: 0.3 }), 0)
  assert.equal(evaluators({ onlookers: 1, fractionEvaluate: 0.5 }), 2, 'clients that only evaluate count')
})

test('a strategy that measures reads updates that do not stay in memory once more', () => {
  const read = (given: Partial<RoundDemand>) => {
    const { bytes, modelBytes } = estimateRound({ ...DEMAND, ...given })
    return bytes.read / modelBytes
  }
  // Three updates for admission and the base beside each, three or six updates for the fold, and the base.
  assert.equal(read({ memoryBytes: 4 }), 10)
  assert.equal(read({ memoryBytes: 4, measures: true }), 13)
  assert.equal(read({ measures: true }), 4)
})

test('a state of each client travels once a round, unless it stays at the client', () => {
  const { modelBytes, stateBytes, bytes } = estimateRound({ ...DEMAND, clientVectors: 2 })
  assert.equal(stateBytes, 2 * 1000 * 4)
  assert.deepEqual([bytes.up, bytes.read], [3 * (modelBytes + stateBytes), 4 * modelBytes + 3 * stateBytes])
  const local = estimateRound({ ...DEMAND, clientVectors: 2, statesTravel: false })
  assert.deepEqual(local.bytes, estimateRound(DEMAND).bytes)
})
