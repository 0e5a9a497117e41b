// What the gate keeps of FederatedJobs, as objects come and go, and as a careless or hostile author writes them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RawObject } from '#transport/kubernetes/reflector.ts'
import { createJobIndex } from './job-index.ts'
import { jobOf } from './jobs.ts'

const [KEY, OTHER] = ['ab'.repeat(32), '01'.repeat(32)]

const objectOf = (partitions: readonly unknown[], uid = 'u', namespace = 'team'): RawObject => ({
  metadata: { name: 'brain', namespace, uid },
  spec: { partitions },
})
const site = (name: string, publicKey: unknown) => ({ name, external: { publicKey } })
const clientsOf = (...partitions: unknown[]) => [...jobOf(objectOf(partitions)).siteClients]

describe('the keys that a job names', () => {
  test('are those of its external partitions, each with its client', () => {
    assert.deepEqual(clientsOf({ name: 'a' }, site('h', KEY), site('k', OTHER)), [
      [KEY, 'h'],
      [OTHER, 'k'],
    ])
  })

  test('give nothing where they are in two partitions, or three; the other keys of the job count', () => {
    assert.deepEqual(clientsOf(site('h', KEY), site('k', OTHER), site('i', KEY)), [[OTHER, 'k']])
    assert.deepEqual(clientsOf(site('h', KEY), site('i', KEY), site('j', KEY)), [])
  })

  test('give nothing where they are malformed', () => {
    const texts = [
      '',
      'ab',
      KEY.toUpperCase(),
      `${KEY}0`,
      `${KEY}\n`,
      `U${'A'.repeat(55)}`,
      `0x${'a'.repeat(62)}`,
    ]
    for (const publicKey of [...texts, null, undefined, 7, [KEY], { toString: () => KEY }])
      assert.deepEqual(clientsOf(site('h', publicKey)), [], String(publicKey))
    for (const external of [{}, null, [], 'x', KEY]) assert.deepEqual(clientsOf({ name: 'h', external }), [])
  })

  test('give nothing where a name is not one token of a subject: no wildcard reaches the permissions', () => {
    for (const name of ['*', '>', 'a.b', '', 'a b']) assert.deepEqual(clientsOf(site(name, KEY)), [], name)
    assert.deepEqual([...jobOf(objectOf([site('h', KEY)], 'u', '*')).siteClients], [])
  })
})

test('an external partition has no pod, also with a malformed key', () => {
  const { workerAccounts } = jobOf(
    objectOf([{ name: 'a' }, { name: 'b', external: null }, site('h', KEY), { name: 'k', external: {} }]),
  )
  assert.deepEqual([...workerAccounts.keys()], ['a', 'b'])
})

describe('the index', () => {
  const job = (uid: string, ...keys: string[]) =>
    jobOf(
      objectOf(
        keys.map((key, at) => site(`h${at}`, key)),
        uid,
      ),
    )
  const named = (index: ReturnType<typeof createJobIndex>, key: string) =>
    index.naming(key).map(({ place }) => place.uid)

  test('finds the jobs of a key, and no longer those that dropped it, changed it or were deleted', () => {
    const index = createJobIndex()
    for (const added of [job('1', KEY), job('2', KEY, OTHER), job('3')]) index.put(added)
    assert.deepEqual([named(index, KEY), named(index, OTHER)], [['1', '2'], ['2']])
    index.put(job('1', OTHER))
    assert.deepEqual([named(index, KEY), named(index, OTHER)], [['2'], ['2', '1']])
    index.remove('2')
    index.remove('unknown')
    assert.deepEqual([named(index, KEY), named(index, OTHER)], [[], ['1']])
    assert.equal(index.find('2'), undefined)
  })

  test('has after a new list that list alone', () => {
    const index = createJobIndex()
    index.put(job('1', KEY))
    index.replace([job('2', KEY)])
    assert.deepEqual([named(index, KEY), index.find('1'), index.find('2')?.name], [['2'], undefined, 'brain'])
  })
})
