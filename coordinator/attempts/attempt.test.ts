// An open attempt: its tasks, its participants, and receipts that appear in the store.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeJson, encodeJson } from '#protocol/canonical.ts'
import { DEFAULT_STATE_BYTES, stateRule } from '#protocol/client-state.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { signReceipt } from '#protocol/receipt-signature.ts'
import type { Plan, Receipt } from '#protocol/record.ts'
import { localSeed } from '#protocol/seeds.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { keyNamed } from '#test/given/signed.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { RunMarkers } from '../record/markers.ts'
import { type AttemptOptions, openAttempt } from './attempt.ts'

const BASE = { key: 'rounds/0/1/model.safetensors', size: 8, sha256: 'b'.repeat(64), blocks: [] }

const PLAN: Plan = {
  schema: 'fedsam.plan/1',
  epoch: 1,
  round: 1,
  attempt: 2,
  kind: 'Train',
  roster: ['a', 'b', 'public'],
  available: ['a', 'b', 'public'],
  cohort: ['a', 'b'],
  evaluators: ['a', 'public'],
  base: { round: 0, payload: BASE },
  config: { epochs: '2' },
  strategy: { type: 'FedAvg' },
  quorum: 2,
  deadlineSeconds: 10,
  graceSeconds: null,
  maxExamples: null,
  generation: 1,
  protocol: 'Plain',
  receipts: 'Signed',
}

const receipt = (client: string, change: Partial<Receipt> = {}): Receipt => ({
  schema: 'fedsam.receipt/1',
  client,
  round: 1,
  attempt: 2,
  incarnation: 'i',
  base: BASE.sha256,
  update: {
    upload: '0123456789abcdef',
    size: 8,
    sha256: 'c'.repeat(64),
    blocks: [],
    numExamples: 3,
    metrics: {},
  },
  evaluation: { loss: 0.5, numExamples: 2, metrics: {} },
  notEvaluated: null,
  dataset: '',
  ...change,
})

function open(store: ObjectStore, change: Partial<AttemptOptions> = {}) {
  const changes: string[] = []
  const attempt = openAttempt({
    markers: { store, epoch: 3, run: { value: { uid: 'u1' }, digest: '' } as RunMarkers['run'] },
    clientKeys: { has: async (client, key) => key === keyNamed(client).publicKey },
    plan: { value: PLAN, digest: 'd'.repeat(64) },
    states: { rule: stateRule({}), last: [] },
    seed: 7,
    dtypes: null,
    admit: async () => ({ kind: 'Admitted', norm: null }),
    until: 60,
    onChange: (client, { kind }) => changes.push(`${client} ${kind}`),
    ...change,
  })
  return { attempt, changes }
}

const send = (store: ObjectStore, value: Receipt): Promise<unknown> =>
  store.put(
    attemptKeys(value.round, value.attempt).receipt(value.client),
    signReceipt(keyNamed(value.client), 'u1', value),
  )

describe('tasks', () => {
  test("carry the client's part of the plan: base, config with the round, local seed, whether to evaluate", () => {
    const { attempt } = open(createMemoryStore())
    assert.deepEqual(attempt.taskFor('a'), {
      kind: 'Train',
      round: 1,
      attempt: 2,
      epoch: 3,
      base: BASE,
      evaluate: true,
      config: { epochs: '2', server_round: '1' },
      seed: localSeed(7, 1, 'a'),
      state: { place: 'Record', maxBytes: DEFAULT_STATE_BYTES, last: null },
    })
    assert.equal(attempt.taskFor('b')?.evaluate, false)
    assert.equal(attempt.taskFor('public')?.kind, 'Evaluate')
    assert.equal(attempt.taskFor('unknown'), undefined)
  })

  test('end when the part of the client has ended', async () => {
    const store = createMemoryStore()
    const { attempt, changes } = open(store)
    await send(store, receipt('a'))
    await attempt.checkReceipt('a')
    attempt.settle('b', { client: 'b', outcome: 'Failed', reason: 'x', message: '' })
    attempt.settle('b', { client: 'b', outcome: 'Removed', reason: 'y', message: '' })
    assert.equal(attempt.taskFor('a'), undefined)
    assert.equal(attempt.taskFor('b'), undefined)
    assert.deepEqual(changes, ['a Admitted', 'b Settled'])
    assert.deepEqual(['a', 'b', 'public'].map(attempt.standing), ['Admitted', 'Settled', 'Pending'])
  })
})

describe('receipts', () => {
  test('of the cohort are updates and evaluations, of the other clients evaluations only', async () => {
    const store = createMemoryStore()
    const { attempt } = open(store)
    await send(store, receipt('public', { update: null }))
    await send(store, receipt('b'))
    await send(store, receipt('a'))
    for (const client of ['public', 'b', 'a']) await attempt.checkReceipt(client)
    assert.deepEqual(
      attempt.updates().map(({ client }) => client),
      ['a', 'b'],
    )
    assert.deepEqual(
      attempt.evaluations().map(({ client }) => client),
      ['a', 'public'],
      'b is not an evaluator',
    )
  })

  const signed = (value: Receipt): Uint8Array => signReceipt(keyNamed('a'), 'u1', value)
  const wrong: readonly [string, Uint8Array, string][] = [
    ['of another client', signed(receipt('b')), 'BadReceipt'],
    ['of another attempt', signed(receipt('a', { attempt: 1 })), 'BadReceipt'],
    ['from another base', signed(receipt('a', { base: 'e'.repeat(64) })), 'WrongBase'],
    ['without an update', signed(receipt('a', { update: null })), 'BadReceipt'],
    ['without a signature', encodeJson(receipt('a')), 'WrongSignature'],
    ['that another key signed', signReceipt(keyNamed('b'), 'u1', receipt('a')), 'WrongSignature'],
    ['of another run', signReceipt(keyNamed('a'), 'u2', receipt('a')), 'WrongSignature'],
    [
      'whose weight was changed after the signature',
      encodeJson({
        ...(decodeJson(signed(receipt('a'))) as Receipt),
        update: { ...receipt('a').update!, numExamples: 9 },
      }),
      'WrongSignature',
    ],
  ]
  for (const [what, bytes, reason] of wrong) {
    test(`${what} are rejected`, async () => {
      const store = createMemoryStore()
      const { attempt } = open(store)
      await store.put(attemptKeys(1, 2).receipt('a'), bytes)
      await attempt.checkReceipt('a')
      assert.equal(attempt.outcomes()[0]?.reason, reason)
    })
  }

  test('without a signature count in an attempt that an older version planned', async () => {
    const store = createMemoryStore()
    const { receipts: _, ...older } = PLAN
    const { attempt } = open(store, { plan: { value: older, digest: 'd'.repeat(64) } })
    await store.put(attemptKeys(1, 2).receipt('a'), encodeJson(receipt('a')))
    await attempt.checkReceipt('a')
    assert.equal(attempt.standing('a'), 'Admitted')
  })

  test('of an earlier attempt count only with the option `earlier`; a bad one does not count against the client', async () => {
    const store = createMemoryStore()
    const { attempt } = open(store)
    await send(store, receipt('a', { attempt: 1 }))
    await send(store, receipt('b', { attempt: 1, base: 'e'.repeat(64) }))
    await attempt.checkReceipt('a')
    assert.equal(attempt.standing('a'), 'Pending')
    await attempt.checkReceipt('a', { earlier: true })
    await attempt.checkReceipt('b', { earlier: true })
    assert.equal(attempt.updates()[0]?.attempt, 1)
    assert.equal(attempt.standing('b'), 'Pending')
  })

  test('are found by a check that begins while another check reads the store', async () => {
    const memory = createMemoryStore()
    const held = Promise.withResolvers<void>()
    let reads = 0
    const store: ObjectStore = {
      ...memory,
      async get(key, range) {
        const bytes = await memory.get(key, range)
        reads += 1
        if (reads === 1) await held.promise
        return bytes
      },
    }
    const { attempt } = open(store)
    const first = attempt.checkReceipt('a')
    await send(memory, receipt('a'))
    const second = attempt.checkReceipt('a')
    held.resolve()
    await Promise.all([first, second])
    assert.equal(attempt.standing('a'), 'Admitted')
  })

  test('whose check fails unexpectedly are rejected, so that a restarted coordinator does not fail on them again', async () => {
    const store = createMemoryStore()
    const { attempt } = open(store, { admit: () => Promise.reject(new TypeError('x is not a function')) })
    await send(store, receipt('a'))
    await attempt.checkReceipt('a')
    assert.deepEqual(attempt.outcomes(), [
      {
        client: 'a',
        outcome: 'Rejected',
        reason: 'BadReceipt',
        message: 'the update could not be checked: TypeError: x is not a function',
      },
    ])
  })

  test('are judged later where the store cannot be reached', async () => {
    const store = createMemoryStore()
    const away = new FedsamError('StorageUnreachable', 'the store is away')
    const { attempt } = open(store, { admit: () => Promise.reject(away) })
    await send(store, receipt('a'))
    await assert.rejects(attempt.checkReceipt('a'), away)
    assert.equal(attempt.standing('a'), 'Pending')
  })

  test('are admitted once, although three checks run at once', async () => {
    const store = createMemoryStore()
    let admissions = 0
    const { attempt, changes } = open(store, {
      admit: async () => {
        admissions += 1
        return { kind: 'Admitted', norm: null }
      },
    })
    await send(store, receipt('a'))
    await Promise.all([attempt.checkReceipt('a'), attempt.checkReceipt('a'), attempt.checkReceipt('a')])
    assert.equal(admissions, 1)
    assert.deepEqual(changes, ['a Admitted'])
  })
})

test('a failure counts for the attempt that it names, and for no other', () => {
  const { attempt } = open(createMemoryStore())
  const failed = { state: 'Failed', round: 1, epoch: 3, code: 'TrainerFailed', message: 'm' } as const
  attempt.recordFailure('a', { ...failed, attempt: 1 })
  assert.equal(attempt.standing('a'), 'Pending')
  attempt.recordFailure('a', { ...failed, attempt: 2 })
  assert.deepEqual(attempt.outcomes(), [
    { client: 'a', outcome: 'Failed', reason: 'TrainerFailed', message: 'm' },
  ])
})

test("a site's receipt counts by the key of the plan alone, although the record has other keys of the client", async () => {
  const keys = ['a', 'earlier'].map(keyNamed)
  const outcomesOf = async (key: string, signer: ReturnType<typeof keyNamed>) => {
    const store = createMemoryStore()
    await store.put(attemptKeys(1, 2).receipt('a'), signReceipt(signer, 'u1', receipt('a')))
    const { attempt } = open(store, {
      plan: { value: { ...PLAN, sites: [{ name: 'a', key }] }, digest: 'd'.repeat(64) },
      clientKeys: { has: async (_client, pinned) => keys.some(({ publicKey }) => publicKey === pinned) },
    })
    await attempt.checkReceipt('a')
    return attempt.outcomes().map(({ reason }) => reason)
  }
  const [own, earlier] = keys as [(typeof keys)[0], (typeof keys)[0]]
  assert.deepEqual(await outcomesOf(own.publicKey, own), [])
  assert.deepEqual(await outcomesOf(own.publicKey, earlier), ['WrongSignature'])
})
