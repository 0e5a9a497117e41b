// The ports that WebSockets refuse: the list is that of the library that opens them, and the rule of the resource has the same.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { findProblems } from '#cli/job/load.ts'
import { jobOf } from '#test/crd-cases.ts'
import { CLOSED_PORTS, closedPortOf } from './websocket-ports.ts'

const { badPorts } = createRequire(import.meta.url)('undici/lib/web/fetch/constants.js') as {
  readonly badPorts: readonly string[]
}

test('the ports are those of the library', () => {
  assert.deepEqual(
    CLOSED_PORTS.map(String),
    badPorts.filter((port) => port !== '0'),
  )
})

test('an address without a port, or with another one, is open', () => {
  for (const host of ['fed.example.org', 'fed.example.org:443', 'fed.example.org:16000', '[::1]:8443'])
    assert.equal(closedPortOf(new URL(`wss://${host}/bus`)), undefined)
  assert.equal(closedPortOf(new URL('wss://[::1]:6000/bus')), 6000)
})

test('a job names none of them for its sites', () => {
  const problems = (port: number) =>
    findProblems(jobOf({ spec: { messaging: { nats: { publicUrl: `wss://fed.example.org:${port}/bus` } } } }))
      .length
  assert.deepEqual(
    CLOSED_PORTS.filter((port) => problems(port) === 0),
    [],
  )
  for (const port of [443, 8443, 6001, 16_000, 60_000]) assert.equal(problems(port), 0, String(port))
})
