// The same job and seed give the same final model bytes. The fold's slices, the order of arrival, the store, and messages that
// are lost, doubled or reordered change nothing.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { sliceBytes } from '#coordinator/aggregation/budget.ts'
import { payloadLayout, slicesOf } from '#coordinator/aggregation/slices.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { resultKey } from '#protocol/keys.ts'
import { readMarker } from '#protocol/record.ts'
import { deriveSeed } from '#protocol/seeds.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { faultyBus, type MessageFault } from '../faults/faulty-bus.ts'
import { recordingStore } from '../faults/recording-store.ts'
import {
  eventsOf,
  type FederationOptions,
  openFederation,
  QUADRATIC,
  runFederation,
  seen,
} from './federation.ts'

/** 560 kB: one slice with the default memory, at least eight with the least that the fold takes. */
const JOB: FederationOptions = { clients: ['a', 'b', 'c'], rounds: 2, size: 140_000 }
const LEAST_MEMORY = 21_300_000

const reference = runFederation(JOB)

describe('the same model bytes', () => {
  test('as a reference, a run to its end with a sound record', async () => {
    const { outcome, events, store } = await reference
    assert.equal(outcome?.rounds, 2)
    assert.equal(eventsOf(events, 'RoundCompleted').length, 3, 'two training rounds and one evaluation')
    const { problems, complete, results, payloads } = await verifyRecord(store)
    assert.deepEqual(problems, [])
    assert.deepEqual({ complete, results }, { complete: true, results: 4 })
    assert.ok(payloads > 6)
  })

  test('in at least eight slices as in one', async () => {
    const { store } = await reference
    const { tensors } = readMarker('result', resultKey(0), (await store.get(resultKey(0)))!)
    const slicesWith = (memoryBytes: number): number =>
      slicesOf(payloadLayout(tensors), sliceBytes({ list: tensors, columns: 1, vectors: 0 }, memoryBytes))
        .length
    assert.equal(slicesWith(QUADRATIC.memoryBytes), 1)
    assert.ok(slicesWith(LEAST_MEMORY) >= 8)
    const sliced = await runFederation({ ...JOB, fixed: { memoryBytes: LEAST_MEMORY } })
    assert.equal(sliced.model, (await reference).model)
  })

  test('with another seed they differ', async () => {
    const other = await runFederation({ ...JOB, fixed: { seed: 8 } })
    assert.notEqual(other.model, (await reference).model)
  })

  for (const order of [
    ['a', 'b', 'c'],
    ['c', 'b', 'a'],
    ['b', 'c', 'a'],
  ]) {
    test(`when updates arrive as ${order.join(', ')}`, async () => {
      const late = await runFederation({
        ...JOB,
        // Each client begins when the update of the one before it is admitted.
        quadratic: (client, events) => ({
          before: async (call, round) => {
            const previous = order[order.indexOf(client) - 1]
            if (call !== 'fit' || previous === undefined) return
            await seen({ events }, 'UpdateAdmitted', (one) => one.client === previous && one.round === round)
          },
        }),
      })
      for (const round of [1, 2]) {
        const admitted = eventsOf(late.events, 'UpdateAdmitted').filter((one) => one.round === round)
        assert.deepEqual(
          admitted.map(({ client }) => client),
          order,
          'the order was as intended',
        )
      }
      assert.equal(late.model, (await reference).model)
    })
  }

  test('in a folder as in memory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-same-bytes-'))
    try {
      const store = await openFilesystemStore({ folder, durable: false })
      const stored = await runFederation({ ...JOB, store })
      assert.equal(stored.model, (await reference).model)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  for (const seed of [1, 2, 3]) {
    test(`when the bus loses, doubles and delays a third of the messages (seed ${seed})`, async () => {
      const faults = new Map<string, number>()
      const bus = createInProcessBus()
      const workerBus = faultyBus(bus, {
        plan: (index) => {
          const fault = faultOf(seed, index)
          if (fault !== undefined) faults.set(fault.kind, (faults.get(fault.kind) ?? 0) + 1)
          return fault
        },
      })
      const disturbed = await runFederation({ ...JOB, bus, workerBus })
      assert.equal(disturbed.model, (await reference).model)
      assert.ok(faults.size >= 3, `faults of ${[...faults.keys()].join(', ')}`)
    })
  }
})

/** A seeded fault for three messages in ten. */
function faultOf(seed: number, index: number): MessageFault | undefined {
  const draw = Number.parseInt(deriveSeed(seed, 'fault', index).slice(0, 8), 16)
  if (draw % 10 >= 3) return undefined
  const kinds: MessageFault[] = [
    { kind: 'LoseRequest' },
    { kind: 'LoseAnswer' },
    { kind: 'Double' },
    { kind: 'Delay', ms: 60 },
  ]
  return kinds[(draw >>> 8) % kinds.length]
}

test('what clients do after the decision was drawn up does not count in it', async () => {
  // A straggler leaves its update exactly while the decision is being written.
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const federation = await openFederation({
    clients: ['a', 'b', 'late'],
    rounds: 1,
    round: { graceSeconds: 0 },
    quadratic: (client) =>
      client === 'late' ? { before: (call) => (call === 'fit' ? reached.promise : undefined) } : {},
  })
  try {
    const { store } = federation
    const held = recordingStore(store, async (_index, operation, key, phase) => {
      if (operation !== 'put' || phase !== 'before' || key !== 'rounds/1/1/decision.json') return
      reached.resolve()
      await released.promise
    })
    for (const client of ['a', 'b', 'late']) void federation.work(client)
    const run = federation.coordinate({ store: held })
    await reached.promise
    await seen(federation, 'UpdateAdmitted', ({ client, round }) => client === 'late' && round === 1)
    released.resolve()
    await run
    const [completed] = eventsOf(federation.events, 'RoundCompleted')
    assert.deepEqual(completed?.accepted, ['a', 'b'])
    const model = await federation.model()
    const without = await runFederation({ clients: ['a', 'b'], rounds: 1 })
    assert.equal(model, without.model)
  } finally {
    await federation.close()
  }
})
