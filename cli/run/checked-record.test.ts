// A consistent record may still be another run's. The job's status and the head that a user expects must match it.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { MANIFEST_KEY } from '#protocol/keys.ts'
import { runFederation } from '#test/federation/federation.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { ReportedDigests } from '../cluster/source.ts'
import { checkRecord, readAnchors, remediesFor } from './checked-record.ts'

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

describe('a record without the manifest of its output', () => {
  /** The record after `last` results, as a run leaves it that was killed then. */
  async function killed(last: number): Promise<ObjectStore> {
    const before = createMemoryStore()
    for (const key of (await store.list(''))!) {
      const [, round] = /^rounds\/(\d+)\//.exec(key) ?? []
      if (key !== MANIFEST_KEY && (round === undefined || Number(round) < last))
        await before.put(key, (await store.get(key))!)
    }
    return before
  }
  const found = async (last: number, reported: ReportedDigests) => {
    const verified = await checkRecord(await killed(last), { anchors: { trust: [] }, reported })
    return { problems: verified.problems, remedies: remediesFor(verified) }
  }
  const NOTHING = { problems: [], remedies: [] }
  const head = (last: number): ReportedDigests => ({ head: `sha256:${chain[last - 1]}` })
  // The round of the initial parameters, the one training round, and the evaluation of the last model.
  const [BEFORE, TRAINED, EVALUATED] = [1, 2, 3]

  test('is that of a run at work, while training has not ended', async () => {
    assert.deepEqual(await found(BEFORE, {}), NOTHING)
    assert.deepEqual(await found(BEFORE, { ...head(BEFORE), complete: false }), NOTHING)
  })

  for (const last of [TRAINED, EVALUATED]) {
    test(`lacks its output after ${last} results, unless the status says that the job is not complete`, async () => {
      const { problems, remedies } = await found(last, {})
      assert.deepEqual(problems, ['the last round has ended, but output/manifest.json is missing'])
      assert.match(remedies.join('\n'), /^the output is missing: wait if [^\n]*$/)
      assert.deepEqual(await found(last, { ...head(last), complete: false }), NOTHING)
    })
  }

  test('contradicts a status with an output', async () => {
    const says = [
      "the job's status says that the output is complete, but output/manifest.json is missing or damaged",
    ]
    for (const more of [{ complete: true }, { complete: false, model: `sha256:${model}` }]) {
      const { problems, remedies } = await found(EVALUATED, { ...head(EVALUATED), ...more })
      assert.deepEqual(problems, says)
      assert.match(remedies.join('\n'), /^the record is not the one that the job's status [^\n]*$/)
    }
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
