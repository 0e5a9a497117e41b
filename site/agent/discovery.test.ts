// What a site reads from the server's answer about its permissions.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import type { ClientPlace } from '#protocol/messages.ts'
import { sitePermissions } from '#protocol/permissions.ts'
import { changesOf, readUserInfo } from './discovery.ts'

const KEY = 'a'.repeat(64)
const place = (uid: string, client = 'a'): ClientPlace => ({ namespace: 'team', uid, client })
const granted = (places: readonly ClientPlace[]) =>
  sitePermissions(
    KEY,
    places.map(({ namespace, uid, client }) => ({ place: { namespace, uid }, client })),
  )
const answer = (
  publish: readonly unknown[],
  subscribe: readonly unknown[],
  time = '2026-11-30T23:00:00.123456789Z',
) =>
  encodeJson({
    server: { name: 'NDX', time, jetstream: false },
    data: {
      user: 'site',
      account: 'FEDSAM',
      permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } },
      expires: 50_000_000_000,
    },
  })

test('the runs are those of the permissions, in their order', () => {
  const places = [place('one'), place('two', 'b')]
  const { publish, subscribe } = granted(places)
  assert.deepEqual(readUserInfo(answer(publish, subscribe)), {
    runs: places,
    serverTime: Date.UTC(2026, 10, 30, 23, 0, 0, 123),
  })
})

describe('a run does not count', () => {
  const { publish, subscribe } = granted([place('one')])
  const cases: readonly [string, readonly string[], readonly string[]][] = [
    ['where the site may not hear the answers', publish, []],
    ['where the site may not ask', [], subscribe],
    ['where the inbox is that of another client', publish, ['fedsam.team.one.b.inbox.>']],
    [
      'where the subject is a pattern',
      ['fedsam.team.one.*.ask', 'fedsam.>', '>'],
      ['>', 'fedsam.team.one.*.inbox.>'],
    ],
  ]
  for (const [what, asks, hears] of cases)
    test(what, () => assert.deepEqual(readUserInfo(answer(asks, hears))?.runs, []))
})

test('a server that names one run twice, or a thousand, starts neither two workers nor a thousand', () => {
  const { publish, subscribe } = granted([place('one')])
  assert.equal(readUserInfo(answer([...publish, ...publish], subscribe))?.runs.length, 1)
  const many = granted(Array.from({ length: 100 }, (_, at) => place(`run-${at}`)))
  assert.equal(readUserInfo(answer(many.publish, many.subscribe))?.runs.length, 64)
  const thousand = granted(Array.from({ length: 1000 }, (_, at) => place(`run-${at}`)))
  assert.equal(readUserInfo(answer(thousand.publish, thousand.subscribe)), undefined)
})

test('other answers are none; a time that is no time is left out', () => {
  for (const body of ['', '{}', '[]', 'null', '{"data":{}}', '{"server":{"time":1}}', '['.repeat(10_000)])
    assert.equal(readUserInfo(Buffer.from(body)), undefined, body.slice(0, 40))
  assert.equal(readUserInfo(answer([1], [])), undefined)
  assert.deepEqual(readUserInfo(answer([], [], 'soon')), { runs: [], serverTime: undefined })
})

test('new runs start, and runs that are gone stop; a job that was created again is a new run', () => {
  const [old, stays, created] = [place('old'), place('stays'), place('created')]
  assert.deepEqual(changesOf([old, stays], [stays, created]), { start: [created], stop: [old] })
  assert.deepEqual(changesOf([stays], [stays]), { start: [], stop: [] })
})
