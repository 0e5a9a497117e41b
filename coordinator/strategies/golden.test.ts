// Strategies against the results of flwr 1.42: three rounds of seven clients, client 5 an outlier, with state from round to round.
// Float64 end to end, through the fold as a run uses it. Data and its meaning: test/golden/strategies/strategies.json.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { attemptKeys } from '#protocol/keys.ts'
import type { PayloadRef } from '#protocol/record.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { listOf, storedValues, storeTensors } from '#test/payloads.ts'
import { fold } from '../aggregation/fold.ts'
import { strategyFrom } from './registry.ts'

const folder = new URL('../../test/golden/strategies/', import.meta.url)
const golden = new Map(
  readSafetensors(await readFile(new URL('strategies.safetensors', folder))).map((tensor) => [
    tensor.name,
    tensor,
  ]),
)
const { num_examples: numExamples, rounds } = JSON.parse(
  await readFile(new URL('strategies.json', folder), 'utf8'),
) as {
  num_examples: number[]
  rounds: number
}
const NAMES = ['b', 's', 'w'] as const

/** Both sides compute in f64: they differ by the order of a few operations, on values of order 1 (the outlier: 100). */
const TOLERANCE = 1e-12

interface Case {
  /** The case's name in the golden data. */
  readonly name: string
  readonly spec: Parameters<typeof strategyFrom>[0]
  readonly clients?: number
  /** Flower's names of the state vectors, in our order. */
  readonly state?: readonly string[]
}

const CASES: readonly Case[] = [
  { name: 'fedavg', spec: { type: 'FedAvg' } },
  { name: 'fedavg-n2', spec: { type: 'FedAvg' }, clients: 2 },
  {
    name: 'fedavgm',
    spec: { type: 'FedAvgM', fedAvgM: { serverLearningRate: 0.7, serverMomentum: 0.9 } },
    state: ['momentum'],
  },
  { name: 'fedavgm-defaults', spec: { type: 'FedAvgM' } },
  { name: 'fedadam', spec: { type: 'FedAdam' }, state: ['m_t', 'v_t'] },
  { name: 'fedyogi', spec: { type: 'FedYogi' }, state: ['m_t', 'v_t'] },
  { name: 'fedadagrad', spec: { type: 'FedAdagrad' }, state: ['v_t'] },
  { name: 'fedmedian', spec: { type: 'FedMedian' } },
  { name: 'fedmedian-n6', spec: { type: 'FedMedian' }, clients: 6 },
  { name: 'fedtrimmedavg-0.2', spec: { type: 'FedTrimmedAvg' } },
  { name: 'fedtrimmedavg-0.3', spec: { type: 'FedTrimmedAvg', fedTrimmedAvg: { beta: 0.3 } } },
  { name: 'krum-f1', spec: { type: 'Krum', krum: { numMaliciousNodes: 1 } } },
  { name: 'krum-f2', spec: { type: 'Krum', krum: { numMaliciousNodes: 2 } } },
  {
    name: 'multikrum-f1-k4',
    spec: { type: 'MultiKrum', multiKrum: { numMaliciousNodes: 1, numNodesToSelect: 4 } },
  },
]

function tensorsAt(path: string): Tensor[] {
  return NAMES.map((name) => ({ ...golden.get(`${path}/${name}`)!, name }))
}

function valuesAt(path: string): Float64Array {
  return new Float64Array(new Uint8Array(golden.get(path)!.data).buffer)
}

function assertClose(actual: readonly number[], expected: Float64Array, what: string): void {
  assert.equal(actual.length, expected.length, what)
  const worst = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
  assert.ok(worst <= TOLERANCE, `${what} is off by ${worst}`)
}

for (const { name, spec, clients = numExamples.length, state: stateNames = [] } of CASES) {
  test(`${name}: every round as flwr computes it`, async () => {
    const store = createMemoryStore()
    const strategy = strategyFrom(spec)
    const initial = tensorsAt('in/f64/init')
    let base = await storeTensors(store, 'rounds/0/1/model.safetensors', initial)
    let state: PayloadRef | null = null
    for (let round = 1; round <= rounds; round++) {
      const keys = attemptKeys(round, 1)
      const updates = await Promise.all(
        numExamples.slice(0, clients).map(async (count, k) => ({
          client: `site-${k}`,
          numExamples: count,
          metrics: {},
          payload: await storeTensors(
            store,
            keys.payload(`site-${k}`, '0123456789abcdef'),
            tensorsAt(`in/f64/r${round}/c${k}`),
          ),
        })),
      )
      const request = { store, list: listOf(initial), base, updates, strategy, state, round, attempt: 1 }
      ;({ model: base, state } = await fold({ ...request, memoryBytes: 2 ** 28 }))
      for (const tensor of NAMES) {
        const where = `f64/${name}/r${round}/${tensor}`
        assertClose(await storedValues(store, keys.model, tensor), valuesAt(`out/new/${where}`), where)
        for (const [v, vector] of stateNames.entries()) {
          const values = await storedValues(store, keys.state, `vectors/${tensor}`)
          const own = values.filter((_, i) => i % stateNames.length === v)
          const expected = `state/new/f64/${name}/r${round}/${vector}/${tensor}`
          assertClose(own, valuesAt(expected), expected)
        }
      }
    }
  })
}
