// Twelve clients, most of them bad: each is named with its outcome and reason, and the model is FedAvg over the good ones.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import type { RunEvent } from '#protocol/events.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import { type Receipt, readMarker } from '#protocol/record.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { examplesOf, type QuadraticOptions, quadraticWork } from '../trainers/quadratic.ts'
import { until } from '../until.ts'
import { type Lie, serveCrookedly } from './crooked-client.ts'
import { eventsOf, openFederation, runFederation } from './federation.ts'

const SIZE = 1000
const GOOD = ['good-a', 'good-b', 'good-slow']

const FALSE_UPDATES: Readonly<Record<string, Lie>> = {
  'wrong-base': ({ body, receipt }) => ({ body, receipt: { ...receipt, base: 'e'.repeat(64) } }),
  truncated: ({ body, receipt }) => ({ body: body.subarray(0, body.length / 2), receipt }),
  'wrong-digest': ({ body, receipt }) => {
    const other = new Uint8Array(body)
    other[other.length - 3] = other[other.length - 3]! ^ 1
    return { body: other, receipt }
  },
}

const spoilt = (change: (tensor: Tensor) => Tensor): Partial<QuadraticOptions> => ({
  spoil: (tensors) => tensors.map(change),
})

/** A NaN in the last element of each tensor. */
function withNaN(tensor: Tensor): Tensor {
  const data = new Uint8Array(tensor.data)
  new DataView(data.buffer).setFloat32(data.length - 4, Number.NaN, true)
  return { ...tensor, data }
}

const BAD_TRAINERS: Readonly<Record<string, Partial<QuadraticOptions>>> = {
  'not-a-number': spoilt(withNaN),
  'wrong-shape': spoilt((tensor) => ({ ...tensor, shape: [1, ...tensor.shape] })),
  'none-examples': { numExamples: 0 },
  'minus-examples': { numExamples: -1 },
  'many-examples': { numExamples: 1e18 },
}

const EXPECTED: Readonly<Record<string, readonly [outcome: string, reason: string]>> = {
  'good-a': ['Accepted', ''],
  'good-b': ['Accepted', ''],
  'good-slow': ['Accepted', ''],
  'wrong-base': ['Rejected', 'WrongBase'],
  truncated: ['Rejected', 'WrongSize'],
  'wrong-digest': ['Rejected', 'WrongDigest'],
  'not-a-number': ['Rejected', 'NotFinite'],
  'wrong-shape': ['Rejected', 'WrongTensors'],
  'none-examples': ['Rejected', 'BadNumExamples'],
  'minus-examples': ['Rejected', 'BadNumExamples'],
  'many-examples': ['Rejected', 'BadNumExamples'],
  straggler: ['Late', 'NoReceipt'],
  silent: ['Unreachable', 'NotHeard'],
}

/** FedAvg by its definition, in f64: base + the mean of (update - base) weighted by num_examples. */
async function fedAvg(store: ObjectStore, clients: readonly string[]): Promise<Map<string, Float32Array>> {
  const keys = attemptKeys(1, 1)
  const base = valuesOf((await store.get(attemptKeys(0, 1).model))!)
  const total = clients.reduce((sum, client) => sum + examplesOf(client), 0)
  const updates = await Promise.all(
    clients.map(async (client) => {
      const receipt = readMarker('receipt', client, (await store.get(keys.receipt(client)))!)
      return valuesOf((await store.get(keys.payload(client, receipt.update!.upload)))!)
    }),
  )
  const mean = (name: string, i: number): number => {
    const from = base.get(name)![i]!
    const step = updates.reduce(
      (sum, update, k) => sum + (update.get(name)![i]! - from) * examplesOf(clients[k]!),
      0,
    )
    return from + step / total
  }
  return new Map([...base].map(([name, values]) => [name, values.map((_, i) => mean(name, i))]))
}

function valuesOf(bytes: Uint8Array): Map<string, Float32Array> {
  return new Map(
    readSafetensors(bytes).map(({ name, data }) => [name, new Float32Array(Uint8Array.from(data).buffer)]),
  )
}

/** Round 0 from a file: a client with false receipts could not be asked. */
async function initialFile(folder: string): Promise<{ kind: 'InitialParameters'; file: string }> {
  const file = join(folder, 'initial.safetensors')
  await quadraticWork({ client: 'any', size: SIZE }).getParameters(file)
  return { kind: 'InitialParameters', file }
}

/** How many updates of round 1 are admitted or rejected. */
const judged = (events: readonly RunEvent[]): number =>
  events.filter(
    (one) => (one.event === 'UpdateAdmitted' || one.event === 'UpdateRejected') && one.round === 1,
  ).length

describe('twelve clients and one that never comes', () => {
  test('the round closes on the quorum, everybody is named, and the good ones are averaged', async () => {
    const memory = createMemoryStore()
    const transfers = createGrantedTransfers({ memory })
    const clients = Object.keys(EXPECTED)
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-bad-clients-'))
    const released = Promise.withResolvers<void>()
    const federation = await openFederation({
      clients,
      rounds: 1,
      size: SIZE,
      store: memory,
      transfers,
      fixed: { minFitClients: 3, minAvailableClients: 12, origin: await initialFile(folder) },
      round: { quorum: 3, graceSeconds: 0.5, settleSeconds: 0.5 },
      quadratic: (client, events) => ({
        ...BAD_TRAINERS[client],
        before: async (call) => {
          if (call !== 'fit') return
          // The quorum comes when all others are judged, so that the grace period ends for the straggler alone.
          if (client === 'good-slow')
            await until('the others are judged', () => judged(events) === clients.length - 3)
          if (client === 'straggler') await released.promise
        },
      }),
    })
    const over = new AbortController()
    const prefix = subjectPrefix(federation.fixed.namespace, federation.fixed.uid)
    const { bus } = federation
    const crooked = Object.entries(FALSE_UPDATES).map(([client, lie]) =>
      serveCrookedly({ client, prefix, bus, transfers, lie, signal: over.signal }),
    )
    try {
      const honest = clients.filter((client) => client !== 'silent' && FALSE_UPDATES[client] === undefined)
      for (const client of honest) void federation.work(client)
      await federation.coordinate()
      const [completed] = eventsOf(federation.events, 'RoundCompleted')
      const outcomes = Object.fromEntries(
        completed!.outcomes.map(({ client, outcome, reason }) => [client, [outcome, reason]]),
      )
      assert.deepEqual(outcomes, EXPECTED)
      assert.deepEqual(completed!.accepted, GOOD)

      const decision = readMarker('decision', '', (await memory.get(attemptKeys(1, 1).decision))!)
      assert.deepEqual(decision.outcomes, completed!.outcomes, 'the record says what the event says')
      const rejected = eventsOf(federation.events, 'UpdateRejected').filter(({ round }) => round === 1)
      assert.deepEqual(
        Object.fromEntries(rejected.map(({ client, reason }) => [client, reason])),
        Object.fromEntries(
          Object.entries(EXPECTED).flatMap(([client, [outcome, reason]]) =>
            outcome === 'Rejected' ? [[client, reason]] : [],
          ),
        ),
      )

      const wanted = await fedAvg(memory, GOOD)
      for (const [name, values] of valuesOf((await memory.get('output/model.safetensors'))!)) {
        assert.deepEqual(values, wanted.get(name), name)
      }
      assert.deepEqual((await verifyRecord(memory)).problems, [])
    } finally {
      released.resolve()
      over.abort()
      await federation.close()
      await Promise.all(crooked)
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('an evaluation that would poison the mean', () => {
  const cases: readonly [string, Receipt['evaluation']][] = [
    ['counts too much', { loss: 0.1, numExamples: MAX_NUM_EXAMPLES + 1, metrics: {} }],
    ['has an enormous loss', { loss: 1e300, numExamples: 1, metrics: {} }],
  ]
  for (const [what, evaluation] of cases) {
    test(`is refused with its receipt where it ${what}`, async () => {
      const memory = createMemoryStore()
      const transfers = createGrantedTransfers({ memory })
      const folder = await mkdtemp(join(tmpdir(), 'fedsam-bad-clients-'))
      const federation = await openFederation({
        clients: ['a', 'b', 'liar'],
        rounds: 1,
        size: SIZE,
        store: memory,
        transfers,
        fixed: { origin: await initialFile(folder) },
      })
      const over = new AbortController()
      const prefix = subjectPrefix(federation.fixed.namespace, federation.fixed.uid)
      const crooked = serveCrookedly({
        client: 'liar',
        prefix,
        bus: federation.bus,
        transfers,
        lie: ({ body, receipt }) => ({ body, receipt: { ...receipt, evaluation } }),
        signal: over.signal,
      })
      try {
        void federation.work('a')
        void federation.work('b')
        await federation.coordinate()
        const [completed] = eventsOf(federation.events, 'RoundCompleted')
        assert.deepEqual(completed!.accepted, ['a', 'b'])
        assert.equal(completed!.outcomes.find(({ client }) => client === 'liar')?.reason, 'BadReceipt')
      } finally {
        over.abort()
        await federation.close()
        await crooked
        await rm(folder, { recursive: true, force: true })
      }
    })
  }

  test('a lie in the number of a metric cannot stop the coordinator', () => {
    const text = '{"loss":1e999,"numExamples":1,"metrics":{}}'
    assert.equal(JSON.parse(text).loss, Number.POSITIVE_INFINITY, 'JSON can say infinity')
    const receipt = `{"attempt":1,"base":null,"client":"a","dataset":"","evaluation":${text},"incarnation":"i","round":1,"schema":"fedsam.receipt/1","update":null}`
    assert.throws(() => readMarker('receipt', 'key', new TextEncoder().encode(receipt)), {
      code: 'RecordDamaged',
    })
  })
})

test('a client whose trainer fails is named with the message of its trainer', async () => {
  const { events } = await runFederation({
    clients: ['a', 'b', 'broken'],
    rounds: 1,
    quadratic: (client) => ({
      before: (call) => {
        if (client === 'broken' && call === 'fit') throw new Error('the GPU fell off the bus')
      },
    }),
  })
  const [completed] = eventsOf(events, 'RoundCompleted')
  const broken = completed!.outcomes.find(({ client }) => client === 'broken')
  assert.equal(broken?.outcome, 'Failed')
  assert.match(broken!.message, /the GPU fell off the bus/)
  assert.equal(eventsOf(events, 'ClientFailed')[0]?.client, 'broken')
})
