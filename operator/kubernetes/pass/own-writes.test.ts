// Which pass must wait for the cache, for which writes, and for how long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubernetesObject } from '../../objects/shapes.ts'
import { compareVersions } from '../cache/versions.ts'
import { openOwnWrites } from './own-writes.ts'

function world() {
  const objects = new Map<string, KubernetesObject>()
  const state = { now: 0, reached: '10' }
  const cache = {
    get: (kind: string, key: string) => objects.get(`${kind} ${key}`),
    hasReached: (_: string, __: string, version: string) => compareVersions(state.reached, version) >= 0,
  }
  return { objects, state, writes: openOwnWrites(cache, () => state.now) }
}

const job = (metadata: object): KubernetesObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'x', namespace: 'team', ...metadata },
})

test('a pass waits for a written version, for at most ten seconds', () => {
  const { state, writes } = world()
  assert.equal(writes.waitFor('team/brain', 0), 'Shown')
  writes.wrote('team/brain', 'Job', job({ resourceVersion: '11' }))
  assert.equal(writes.waitFor('team/brain', 4000), 6000)
  assert.equal(writes.waitFor('team/other', 4000), 'Shown')
  assert.ok(Number(writes.waitFor('team/brain', 10_000)) <= 0)
  state.reached = '11'
  assert.equal(writes.waitFor('team/brain', 4000), 'Shown')
})

test('of two writes to one object the later counts; of writes to two objects both count', () => {
  const { state, writes } = world()
  writes.wrote('k', 'Job', job({ resourceVersion: '99' }))
  writes.wrote('k', 'Job', job({ resourceVersion: '100' }))
  state.reached = '99'
  assert.notEqual(writes.waitFor('k', 0), 'Shown')
  state.reached = '100'
  writes.wrote('k', 'Pod', job({ resourceVersion: '101' }))
  assert.notEqual(writes.waitFor('k', 0), 'Shown')
})

test('a pass waits for a deleted object until it is gone, being deleted, or replaced', () => {
  const table: readonly [string, object | undefined, boolean][] = [
    ['unchanged', { uid: '1' }, false],
    ['being deleted', { uid: '1', deletionTimestamp: '2026-11-24T08:00:00Z' }, true],
    ['another of its name', { uid: '2' }, true],
    ['gone', undefined, true],
  ]
  for (const [what, metadata, shown] of table) {
    const { objects, writes } = world()
    if (metadata) objects.set('Job team/x', job(metadata))
    writes.deleted('k', 'Job', { namespace: 'team', name: 'x', uid: '1' })
    assert.equal(writes.waitFor('k', 0) === 'Shown', shown, what)
  }
})

test('resourceVersions are compared as integers', () => {
  assert.ok(compareVersions('9', '10') < 0)
  assert.ok(compareVersions('9007199254740993', '9007199254740992') > 0)
  assert.equal(compareVersions('12', '12'), 0)
  assert.throws(() => compareVersions('12', '0x13'), RangeError)
})
