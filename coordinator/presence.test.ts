// Who is there, who is away, and who is lost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NextRequest } from '#protocol/messages.ts'
import { openPresence } from './presence.ts'

const request = (incarnation: string): NextRequest => ({
  kind: 'next',
  client: 'a',
  incarnation,
  token: '',
  epoch: 0,
  dataset: '',
  backend: '',
  have: { state: 'Idle' },
  progress: null,
})

test('a client is there until it was silent for too long; each life of it joins once', () => {
  let now = 100
  const presence = openPresence({ now: () => now, sleep: async () => {} }, 45)
  assert.equal(presence.isPresent('a'), false)
  assert.equal(presence.hear(request('one')), true, 'it joins')
  assert.equal(presence.hear(request('one')), false)
  now = 145
  assert.equal(presence.isPresent('a'), true)
  now = 145.1
  assert.equal(presence.isPresent('a'), false)
  assert.equal(presence.hear(request('one')), true, 'it comes back')
  assert.equal(presence.hear(request('two')), true, 'a new incarnation')
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
