// Which changes of sites' connections are reported, with a clock that the test moves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunEvent } from '#protocol/events.ts'
import type { NextRequest } from '#protocol/messages.ts'
import { keyOf, type LiveSettings, type Member } from '../settings/settings.ts'
import { openPresence } from './presence.ts'
import { watchSites } from './sites.ts'

function watched(members: Member[]) {
  const time = { now: 1000 }
  const clock = { now: () => time.now, sleep: async () => {} }
  const live = () => ({ members }) as unknown as LiveSettings
  const presence = openPresence(clock, 45, (client) => keyOf(live(), client))
  const events: RunEvent[] = []
  const sites = watchSites({ live, presence, clock, observe: (event) => void events.push(event) })
  const hear = (client: string, version = 2): void => {
    const about = { incarnation: 'i', ignored: 0, dataset: '', backend: '', progress: null }
    presence.record({ kind: 'next', version, client, ...about, have: { state: 'Idle' } } as NextRequest)
  }
  const news = (): unknown[] => {
    sites.report()
    return events.splice(0).map((event) => {
      assert.ok(event.event === 'SiteConnection')
      const { client, publicKey, connected, silentSeconds, version } = event
      return [client, publicKey, connected, silentSeconds, version]
    })
  }
  return { time, hear, news }
}

test('a site is reported when it connects, when it falls silent, and when it is back; a pod never is', () => {
  const { time, hear, news } = watched([
    { name: 'a', train: true },
    { name: 'b', train: true, publicKey: 'k' },
  ])
  assert.deepEqual(news(), [], 'it may still come')
  hear('a')
  hear('b')
  assert.deepEqual(news(), [['b', 'k', true, 0, 2]])
  time.now += 45
  assert.deepEqual(news(), [])
  time.now += 5
  assert.deepEqual(news(), [['b', 'k', false, 50, 2]])
  assert.deepEqual(news(), [], 'once')
  hear('b')
  assert.deepEqual(news(), [['b', 'k', true, 0, 2]])
})

test('a site that never came is reported after the silence limit, and one with another key is another site', () => {
  const members: { name: string; train: boolean; publicKey: string }[] = [
    { name: 'b', train: true, publicKey: 'k' },
  ]
  const { time, hear, news } = watched(members)
  time.now += 46
  assert.deepEqual(news(), [['b', 'k', false, null, null]])
  hear('b')
  assert.deepEqual(news(), [['b', 'k', true, 0, 2]])
  members[0]!.publicKey = 'other'
  assert.deepEqual(news(), [['b', 'other', false, null, null]])
  members[0]!.publicKey = ''
  assert.deepEqual(news(), [], 'a key of nobody')
})

test('a site that speaks another version than before is reported again', () => {
  const { hear, news } = watched([{ name: 'b', train: true, publicKey: 'k' }])
  hear('b')
  assert.deepEqual(news(), [['b', 'k', true, 0, 2]])
  hear('b', 3)
  assert.deepEqual(news(), [['b', 'k', true, 0, 3]])
  assert.deepEqual(news(), [], 'once')
})
