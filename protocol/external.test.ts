// The keys of external partitions, also in objects that no schema has checked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isExternal, NO_KEY, sharedKeys, siteKeys } from './external.ts'

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
const site = (name: string, publicKey: unknown) => ({
  name,
  external: { publicKey } as { publicKey: string },
})

test('each external partition has the key that the job names; others have none', () => {
  const partitions = [{ name: 'p' }, site('a', A), { name: 'q', external: null }, site('b', B)]
  assert.deepEqual(
    [...siteKeys(partitions)],
    [
      ['a', A],
      ['b', B],
    ],
  )
  assert.deepEqual(partitions.map(isExternal), [false, true, false, true])
  assert.deepEqual(sharedKeys(partitions), [])
})

test('a key of several partitions is named with all of them, and is nobody’s key', () => {
  const partitions = [site('a', A), { name: 'p' }, site('b', B), site('c', A), site('d', A)]
  assert.deepEqual(sharedKeys(partitions), [
    {
      publicKey: A,
      partitions: [
        { name: 'a', index: 0 },
        { name: 'c', index: 3 },
        { name: 'd', index: 4 },
      ],
    },
  ])
  assert.deepEqual([...siteKeys(partitions).values()], [NO_KEY, B, NO_KEY, NO_KEY])
})

test('anything but a key is no key, and two of those share none', () => {
  const strange = [undefined, null, 7, '', A.toUpperCase(), `${A}\n`, A.slice(1), { toString: () => A }, [A]]
  const partitions = [
    ...strange.map((key, i) => site(`p${i}`, key)),
    { name: 'bare', external: {} as never },
    { name: 'text', external: 'yes' as never },
  ]
  assert.deepEqual(sharedKeys(partitions), [])
  assert.deepEqual(new Set(siteKeys(partitions).values()), new Set([NO_KEY]))
  assert.equal(siteKeys(partitions).size, partitions.length)
})

test('a thousand partitions are compared at once', () => {
  const partitions = Array.from({ length: 1000 }, (_, i) => site(`p${i}`, i.toString(16).padStart(64, '0')))
  assert.deepEqual(sharedKeys(partitions), [])
  assert.equal(siteKeys(partitions).size, 1000)
})
