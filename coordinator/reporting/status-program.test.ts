// The status of a Program run: the exchange as its round, what the program named itself, and that a program repeats the record.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SHA } from '#test/given/run-news.ts'
import { beginStatus, nextStatus, type StatusEvent } from './status.ts'

const FACTS = { now: 0, outputUri: 's3://bucket/run/output' }
const opened = {
  event: 'ExchangeOpened',
  exchange: 3,
  round: 2,
  of: 5,
  messages: 4,
  clients: ['a', 'b'],
} as const
const closed: StatusEvent = {
  event: 'ExchangeCompleted',
  ...{ exchange: 3, replies: 3, errors: 1, seconds: 1, head: SHA },
  outcomes: [{ client: 'b', outcome: 'Late', reason: '', message: '' }],
}
const ended = {
  event: 'RunCompleted',
  ...{ program: { metrics: {} }, rounds: 3, output: 'output/manifest.json', evaluation: null, round: 3 },
  head: SHA,
} as const

const after = (...news: readonly StatusEvent[]) =>
  news.reduce((status, one) => nextStatus(status, one, FACTS), beginStatus('uid', undefined, 0))

test('an exchange is the round, beside the round that the program named', () => {
  const { state, round, message, clients } = after(opened)
  assert.deepEqual([state, round, clients?.cohort], ['Training', 3, 2])
  assert.equal(message, 'Exchange 3 (round 2 of 5 of the program): 4 messages to a, b.')
  const quiet = after({ ...opened, round: null, of: null, messages: 1 })
  assert.equal(quiet.message, 'Exchange 3: 1 message to a, b.')
})

test('a decided exchange names who did not reply, and the head of the chain', () => {
  const { clients, head } = after(opened, closed)
  assert.deepEqual(clients?.absent, [{ name: 'b', outcome: 'Late', reason: '', message: '' }])
  assert.deepEqual([clients?.accepted, head], [3, `sha256:${SHA}`])
})

test('a program that starts again repeats the record', () => {
  const started = (recorded: number) => after({ event: 'ProgramStarted', life: 1, recorded, why: '' }).message
  assert.equal(started(0), 'The program runs.')
  assert.equal(started(2), 'The program runs from its beginning, and repeats 2 exchanges of the record.')
})

test('the end, with a model and without one', () => {
  const { state, message, output } = after(opened, { ...ended, digest: SHA })
  assert.deepEqual([state, message], ['Complete', 'The program has its result after 3 exchanges.'])
  assert.equal(output?.digest, `sha256:${SHA}`)
  assert.equal(after(opened, { ...ended, digest: '' }).output, undefined)
})
