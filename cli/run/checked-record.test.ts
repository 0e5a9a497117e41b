// A consistent record may still be another run's. The job's status and the head that a user expects must match it.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { runFederation } from '#test/federation/federation.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ReportedDigests } from '../cluster/source.ts'
import { checkRecord, readAnchors } from './checked-record.ts'

const store = createMemoryStore()
let chain: readonly string[] = []
let model = ''
before(async () => {
  const transfers = createGrantedTransfers({ memory: store })
  await runFederation({ clients: ['a', 'b'], rounds: 1, store, transfers })
  const found = await verifyRecord(store)
  chain = found.chain
  model = found.manifest!.files.find(({ name }) => name === 'model.safetensors')!.sha256
})

const check = async (reported: ReportedDigests, expected?: string): Promise<readonly string[]> =>
  (await checkRecord(store, { anchors: { head: expected, trust: [] }, reported })).problems
const OTHER = '0'.repeat(64)

describe('a record', () => {
  test('that the status describes is sound', async () => {
    const reported = { head: `sha256:${chain.at(-1)}`, complete: true, model: `sha256:${model}` }
    assert.deepEqual(await check(reported, chain.at(-1)), [])
    assert.deepEqual(await check({}), [])
  })

  test('that is ahead of the status of a running job is sound', async () => {
    assert.deepEqual(await check({ head: `sha256:${chain[0]}`, complete: false }), [])
  })

  test('with another head, model or length than the status names is not', async () => {
    assert.match(
      (await check({ head: `sha256:${OTHER}` })).join(),
      /status names the head sha256:0+, but the record has/,
    )
    assert.match(
      (await check({ head: `sha256:${chain[0]}`, complete: true })).join(),
      /status names the head/,
    )
    assert.match((await check({ model: `sha256:${OTHER}` })).join(), /status names the model/)
  })

  test('with another head than the user expects is not', async () => {
    assert.match((await check({}, chain[0])).join(), /--expect-head names the head/)
  })
})

test('--expect-head takes a digest and nothing else', async () => {
  assert.deepEqual(await readAnchors({}), { head: undefined, trust: [] })
  assert.equal((await readAnchors({ 'expect-head': `sha256:${OTHER}` })).head, OTHER)
  assert.equal((await readAnchors({ 'expect-head': OTHER })).head, OTHER)
  for (const text of ['', 'sha256:', OTHER.slice(1), `md5:${OTHER}`])
    await assert.rejects(readAnchors({ 'expect-head': text }), { name: 'UsageError' })
})

test('--trust takes public keys and nothing else', async () => {
  assert.deepEqual((await readAnchors({ trust: [OTHER, 'A'.repeat(64)] })).trust, [OTHER, 'a'.repeat(64)])
  for (const key of ['', OTHER.slice(1), `sha256:${OTHER}`, 'operator.pub'])
    await assert.rejects(readAnchors({ trust: [OTHER, key] }), { name: 'UsageError' })
})
