// Who is there, who is away, and who is lost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NextRequest } from '#protocol/messages.ts'
import { openPresence } from './presence.ts'

const request = (incarnation: string, have: NextRequest['have'] = { state: 'Idle' }): NextRequest => ({
  kind: 'next',
  client: 'a',
  incarnation,
  token: '',
  epoch: 0,
  dataset: '',
  backend: '',
  have,
  progress: null,
})

test('a client is there until it was silent for too long; each life of it joins once', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  assert.equal(presence.isPresent('a'), false)
  assert.equal(presence.hear(request('one')), 'Joined')
  assert.equal(presence.hear(request('one')), 'Known')
  now = 145
  assert.equal(presence.isPresent('a'), true)
  now = 145.1
  assert.equal(presence.isPresent('a'), false)
  assert.equal(presence.hear(request('one')), 'Joined', 'it comes back')
  assert.equal(presence.hear(request('two')), 'Joined', 'a new incarnation')
})

test('nobody is lost to a coordinator that has just begun', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  assert.equal(presence.isLost('a', 100), false)
  now = 145.1
  assert.equal(presence.isLost('a', 100), true)
  presence.hear(request('one'))
  assert.equal(presence.isLost('a', 100), false)
  now = 191
  assert.equal(presence.isLost('a', 100), true)
})

test('a client that was heard before the moment is not lost until the silence limit after it', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  presence.hear(request('one'))
  now = 200
  assert.equal(presence.isLost('a', 200), false)
  now = 245
  assert.equal(presence.isLost('a', 200), false)
  now = 245.1
  assert.equal(presence.isLost('a', 200), true)
})

test('a client that prepares is heard and not there; what it waits for is news once, and it joins when it is ready', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  const preparing = (message: string) => presence.hear(request('one', { state: 'Preparing', message }))
  assert.deepEqual(presence.absence('a'), {
    client: 'a',
    outcome: 'Unreachable',
    reason: 'NotHeard',
    message: '',
  })
  assert.equal(preparing('no data yet'), 'Preparing')
  assert.equal(preparing('no data yet'), 'Known')
  assert.equal(preparing('1 of 2 MB'), 'Preparing')
  assert.equal(presence.isPresent('a'), false)
  assert.equal(presence.isHeard('a'), true)
  assert.equal(presence.isLost('a', 0), false)
  const { reason, message } = presence.absence('a')
  assert.deepEqual({ reason, message }, { reason: 'Preparing', message: '1 of 2 MB' })
  now = 146
  assert.equal(presence.absence('a').reason, 'NotHeard', 'it was silent for too long')
  assert.equal(presence.hear(request('one')), 'Joined')
  assert.equal(presence.isPresent('a'), true)
})
