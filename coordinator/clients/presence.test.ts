// Which clients are online, ready, lost, or have left.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NextRequest } from '#protocol/messages.ts'
import { openPresence } from './presence.ts'

const request = (incarnation: string, have: NextRequest['have'] = { state: 'Idle' }): NextRequest => ({
  kind: 'next',
  client: 'a',
  incarnation,
  ignored: 0,
  dataset: '',
  backend: '',
  have,
  progress: null,
})

test('a client is ready until it is silent for too long; each of its incarnations joins once', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  assert.equal(presence.isReady('a'), false)
  assert.equal(presence.record(request('one')), 'Joined')
  assert.equal(presence.record(request('one')), 'Known')
  now = 145
  assert.equal(presence.isReady('a'), true)
  now = 145.1
  assert.equal(presence.isReady('a'), false)
  assert.equal(presence.record(request('one')), 'Joined', 'it returns')
  assert.equal(presence.record(request('two')), 'Joined', 'a new incarnation')
})

test('a coordinator that has just started has lost no client', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  assert.equal(presence.isLost('a', 100), false)
  now = 145.1
  assert.equal(presence.isLost('a', 100), true)
  presence.record(request('one'))
  assert.equal(presence.isLost('a', 100), false)
  now = 191
  assert.equal(presence.isLost('a', 100), true)
})

test('a client whose last request came before `since` is lost only when the silence limit after `since` has passed', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  presence.record(request('one'))
  now = 200
  assert.equal(presence.isLost('a', 200), false)
  now = 245
  assert.equal(presence.isLost('a', 200), false)
  now = 245.1
  assert.equal(presence.isLost('a', 200), true)
})

test('a client that prepares is online and not ready; each cause is reported once, and the client joins when it is ready', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  const preparing = (message: string) => presence.record(request('one', { state: 'Preparing', message }))
  assert.deepEqual(presence.absence('a'), {
    client: 'a',
    outcome: 'Unreachable',
    reason: 'NotHeard',
    message: '',
  })
  assert.equal(preparing('no data yet'), 'NotReady')
  assert.equal(preparing('no data yet'), 'Known')
  assert.equal(preparing('1 of 2 MB'), 'NotReady')
  assert.equal(presence.isReady('a'), false)
  assert.equal(presence.isOnline('a'), true)
  assert.equal(presence.isLost('a', 0), false)
  const { reason, message } = presence.absence('a')
  assert.deepEqual({ reason, message }, { reason: 'Preparing', message: '1 of 2 MB' })
  now = 146
  assert.equal(presence.absence('a').reason, 'NotHeard', 'it was silent for too long')
  assert.equal(presence.record(request('one')), 'Joined')
  assert.equal(presence.isReady('a'), true)
})

test('a client has left once it says so, also where its worker starts again', () => {
  const presence = openPresence({ now: () => 100, sleep: async () => {} }, 45)
  presence.record(request('one'))
  assert.equal(presence.hasLeft('a'), false)
  presence.record(request('one', { state: 'Leaving' }))
  assert.equal(presence.hasLeft('a'), true)
  presence.record(request('two'))
  assert.equal(presence.hasLeft('a'), true)
})

test('a client that declines is online and not ready, and its absence has its reason', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  const declines = (message: string) => presence.record(request('one', { state: 'Declined', message }))
  assert.equal(presence.record(request('one', { state: 'Preparing', message: 'why' })), 'NotReady')
  assert.equal(declines('why'), 'NotReady')
  assert.equal(declines('why'), 'Known')
  assert.equal(presence.isReady('a'), false)
  assert.equal(presence.isOnline('a'), true)
  assert.deepEqual(presence.absence('a'), {
    client: 'a',
    outcome: 'Refused',
    reason: 'Declined',
    message: 'why',
  })
  now = 146
  assert.equal(presence.absence('a').reason, 'NotHeard', 'it was silent for too long')
  assert.equal(presence.record(request('one')), 'Joined', 'its site allows the job now')
})
