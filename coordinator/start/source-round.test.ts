// The copy of another run's round, where something changes during it: damage is reported for the record that has it.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { attemptKeys } from '#protocol/keys.ts'
import { QUADRATIC, runFederation } from '#test/federation/federation.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { boundedStore } from '#transport/store/bounded.ts'
import { recordAddress } from '#transport/store/s3/address.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { strategyFrom } from '../strategies/registry.ts'
import { pinSource } from './resume-from.ts'
import { copySourceRound, pinned, readSourceRound } from './source-round.ts'

const ROUND = 3
const MODEL = attemptKeys(ROUND, 1).model
const memory = createMemoryStore()
const source = { ...memory, description: 'the other record' }
const strategy = strategyFrom({ type: 'FedAvg' })

before(async () => {
  const transfers = createGrantedTransfers({ memory })
  await runFederation({ clients: ['a', 'b'], rounds: ROUND, size: 100, store: memory, transfers })
})

const copy = async (reader: typeof source, store = createMemoryStore()) =>
  copySourceRound(reader, store, pinned('other', await readSourceRound(source, ROUND)), strategy)

test('a copy has the bytes of its source', async () => {
  const store = createMemoryStore()
  const { model } = await copy(source, store)
  assert.deepEqual(await store.get(model.key), await source.get(MODEL))
})

test('a damaged copy in the own record is damage of the own record', async () => {
  const store = { ...createMemoryStore(), description: 'the own record' }
  await store.put(MODEL, new Uint8Array(7))
  await assert.rejects(copy(source, store), {
    code: 'RecordDamaged',
    message: /^the own record: rounds\/3\/1\/model\.safetensors has 7 bytes/,
    remedy: /if you delete it, the run continues and writes it again/,
  })
})

/** A reader of the record, whose model is `changed` after the record has been verified. */
function changing(changed: Uint8Array | undefined): typeof source {
  let reads = 0
  return {
    ...source,
    get: async (key, ...rest) => {
      if (key === MODEL) reads += 1
      return key === MODEL && reads > 1 ? changed : source.get(key, ...rest)
    },
    size: async (key) => (key === MODEL && reads > 1 ? changed?.length : source.size(key)),
  }
}

test('a model that its run deletes during the copy is reported with the rounds that are left', async () => {
  await assert.rejects(copy(changing(undefined)), {
    code: 'BadRecord',
    message: /^spec\.resumeFrom: the other record no longer holds the model of round 3$/,
    remedy: /^name a round whose model still exists: 2; output\.retention\.rounds/,
  })
})

test('a model with other bytes is damage of the other record', async () => {
  const size = (await source.size(MODEL))!
  await assert.rejects(copy(changing(new Uint8Array(size))), {
    code: 'BadRecord',
    message: /^spec\.resumeFrom: the other record: rounds\/3\/1\/model\.safetensors: block 0/,
    remedy: /^restore that record/,
  })
})

test('a job in a cluster that names its own record is refused, however it writes the address', async () => {
  const own = openS3Store({ bucket: 'fedsam', prefix: 'runs/team/toy/uid' })
  for (const address of ['', '/', '/output', '/output/', '//']) {
    const prefix = `s3://fedsam/runs/team/toy/uid${address}`
    const open = async () => boundedStore(openS3Store(recordAddress(prefix)))
    const origin = { kind: 'Resumed', prefix, round: 1, select: null, open } as const
    await assert.rejects(pinSource(own, { ...QUADRATIC, origin }, null), {
      code: 'InvalidJob',
      message: 'spec.resumeFrom.prefix: s3://fedsam/runs/team/toy/uid is the record of this run',
      remedy: /^name another run's record/,
    })
  }
})
