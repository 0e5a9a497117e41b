// What status.training says of sites: from their events, over restarts of the coordinator, and for another site in the same place.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { opened, started } from '#test/given/run-news.ts'
import { beginStatus, nextStatus, type StatusEvent } from './status.ts'

const NOW = Date.parse('2026-11-24T08:00:00Z')
const [KEY, OTHER] = ['a'.repeat(64), 'b'.repeat(64)]
const site = (
  client: string,
  connected: boolean,
  silentSeconds: number | null,
  { publicKey = KEY, version = silentSeconds === null ? null : 2 } = {},
): StatusEvent => ({
  event: 'SiteConnection',
  version,
  client,
  publicKey,
  connected,
  silentSeconds,
})
const after = (news: readonly StatusEvent[], begin = beginStatus('6f3a', undefined, NOW)): TrainingStatus =>
  news.reduce((status, one) => nextStatus(status, one, { now: NOW, outputUri: '' }), begin)
const sitesOf = (status: TrainingStatus) =>
  status.clients?.sites?.map(({ name, connected, lastHeardTime }) => [name, connected, lastHeardTime])

test('a site that connected has an entry, with the time when it was last heard once it is silent', () => {
  const there = after([started(), site('b', true, 0), site('a', true, 0)])
  assert.deepEqual(sitesOf(there), [
    ['a', true, '2026-11-24T08:00:00Z'],
    ['b', true, '2026-11-24T08:00:00Z'],
  ])
  assert.deepEqual(sitesOf(after([site('b', false, 90)], there))?.[1], ['b', false, '2026-11-24T07:58:30Z'])
})

test('a site that this coordinator never heard keeps the time of the coordinator before; without one it has no entry', () => {
  const before = after([started(), site('b', true, 30)])
  const restarted = after([started(), site('b', false, null)], beginStatus('6f3a', before, NOW + 60_000))
  assert.deepEqual(sitesOf(restarted), [['b', false, '2026-11-24T07:59:30Z']])
  assert.equal(sitesOf(after([started(), site('b', false, null)])), undefined)
})

test('an entry of another key, or of a partition that left the job, is not kept', () => {
  const before = after([started(), site('b', true, 0)])
  assert.deepEqual(sitesOf(after([site('b', false, null, { publicKey: OTHER })], before)), [])
  assert.deepEqual(sitesOf(after([opened(1, { roster: ['a', 'c'] })], before)), [])
  assert.deepEqual(sitesOf(after([opened(1)], before))?.length, 1)
})

test('the version of a site is its newest one, and survives a restart of the coordinator', () => {
  const before = after([started(), site('b', true, 0), site('b', true, 0, { version: 3 })])
  assert.equal(before.clients?.sites?.[0]?.version, 3)
  const restarted = after([started(), site('b', false, null)], beginStatus('6f3a', before, NOW + 60_000))
  assert.equal(restarted.clients?.sites?.[0]?.version, 3)
  const other = after([site('b', true, 0, { publicKey: OTHER, version: 1 })], before)
  assert.equal(other.clients?.sites?.[0]?.version, 1)
})
