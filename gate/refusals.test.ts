// What the gate logs of refusals: each member once a minute, strangers within a bound, all with short texts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Refused } from './authenticators/authenticator.ts'
import { createRefusals } from './refusals.ts'

function opened() {
  const lines: [object, string][] = []
  const counts = new Map<string, number>()
  const time = { now: 0 }
  const refuse = createRefusals({
    write: (line, text) => void lines.push([line, text]),
    count: (result) => void counts.set(result, (counts.get(result) ?? 0) + 1),
    now: () => time.now,
  })
  return { lines, counts, time, refuse }
}

const refusal = (client: string, reason: Refused['reason'] = 'TokenExpired'): Refused => ({
  kind: 'Refused',
  reason,
  detail: 'x'.repeat(200),
  concerned: { run: { namespace: 'team', uid: 'u', job: 'brain' }, member: `u/client/${client}` },
})

test('a member is logged once a minute for each reason, with the fields that doctor reads', () => {
  const { lines, counts, time, refuse } = opened()
  for (let tries = 0; tries < 100; tries += 1) refuse(refusal('a'), '10.0.0.1')
  refuse(refusal('a', 'NoToken'), '10.0.0.1')
  assert.equal(lines.length, 2)
  assert.deepEqual(lines[0]![0], {
    refused: 'TokenExpired',
    run: 'u',
    namespace: 'team',
    job: 'brain',
    member: 'u/client/a',
    host: '10.0.0.1',
  })
  assert.match(lines[0]![1], /^the token has expired: x+$/)
  assert.deepEqual(
    [...counts],
    [
      ['TokenExpired', 100],
      ['NoToken', 1],
    ],
  )
  time.now += 60
  refuse(refusal('a'), '10.0.0.1')
  assert.equal(lines.length, 3)
})

test('a refused site is logged once a minute for each reason, by its key', () => {
  const { lines, refuse } = opened()
  const site = 'ab'.repeat(32)
  for (const reason of ['BadSignature', 'BadJobList', 'BadSignature'] as const)
    refuse({ kind: 'Refused', reason, concerned: { site } }, '10.0.0.3')
  assert.deepEqual(
    lines.map(([line]) => line),
    [
      { refused: 'BadSignature', site, host: '10.0.0.3' },
      { refused: 'BadJobList', site, host: '10.0.0.3' },
    ],
  )
})

test('strangers share a bound, their names are short, and they do not hide a member', () => {
  const { lines, counts, refuse } = opened()
  for (let i = 0; i < 5000; i += 1) {
    refuse(
      { kind: 'Refused', reason: 'UnknownUser', detail: 'y'.repeat(5000) },
      `host-${i}-${'z'.repeat(2000)}`,
    )
    refuse(refusal(`unknown-${i}`, 'UnknownClient'), '10.0.0.2')
  }
  assert.equal(lines.length, 20)
  assert.ok(lines.every(([, text]) => text.length <= 1000))
  assert.equal(counts.get('UnknownUser'), 5000)
  refuse(refusal('a'), '10.0.0.1')
  assert.equal(lines.length, 21)
})

test('an admitted connection is counted and not logged', () => {
  const { lines, counts, refuse } = opened()
  const permissions = { publish: [], subscribe: [] }
  refuse({ kind: 'Admitted', name: 'a', permissions, seconds: 1, connections: ['STANDARD'] }, '10.0.0.1')
  assert.deepEqual([lines, [...counts]], [[], [['Admitted', 1]]])
})
