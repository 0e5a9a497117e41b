// An open exchange gives each client its messages one after the other, each with the state that the one before left.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptState, StateRule } from '#protocol/client-state.ts'
import { digestPayload } from '#protocol/digest.ts'
import type { DecidedReply } from '#protocol/exchange.ts'
import { localSeed, nodeOf } from '#protocol/seeds.ts'
import {
  askOf,
  bytesOf,
  CLIENT_KEYS,
  EXCHANGE,
  KEYS,
  markersIn,
  messageTo,
  NO_STATES,
  storeReply,
  UPLOAD,
} from '#test/given/exchange.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { openExchange } from './open-exchange.ts'

const ENDING = { outcome: 'Late', reason: 'NoReceipt', text: '' } as const
const digestOf = (text: string): string => digestPayload(bytesOf(text)).sha256

function open({
  store = createMemoryStore() as ObjectStore,
  last = [] as readonly KeptState[],
  rule = NO_STATES.rule,
  messages = askOf().value.messages,
} = {}) {
  const ended: DecidedReply[] = []
  const ask = askOf({ messages })
  const exchange = openExchange({
    markers: markersIn(store, 3),
    clientKeys: CLIENT_KEYS,
    ask,
    seed: 7,
    run: 'run',
    before: { rule, last },
    until: 60,
    onEnd: (decided) => ended.push(decided),
  })
  return { exchange, store, ask: ask.value, ended }
}

const kept = (client: string, text: string, dataset = ''): KeptState => ({
  client,
  dataset,
  key: `exchanges/1/replies/${client}/0/${UPLOAD}.state`,
  ...digestPayload(bytesOf(text)),
})

test("a client's task is its first message that has not ended", async () => {
  const { exchange, store, ask } = open({ last: [kept('a', 'old')] })
  const { blocks: _, client: __, ...last } = kept('a', 'old')
  assert.deepEqual(exchange.taskFor('a'), {
    kind: 'Message',
    round: EXCHANGE,
    attempt: 1,
    epoch: 3,
    base: { key: KEYS.content(digestOf('one')), ...digestPayload(bytesOf('one')) },
    evaluate: false,
    config: {},
    seed: localSeed(7, EXCHANGE, 'a'),
    message: { kind: 'train', group: '', node: nodeOf(7, 'run', 'a') },
    state: { ...NO_STATES.rule, last },
  })
  assert.equal(exchange.taskFor('b')!.state!.last, null)
  await storeReply(store, ask, { place: 0, text: 'done', state: 'new', change: { stateBase: last.sha256 } })
  await exchange.checkReceipt('a')
  const second = exchange.taskFor('a')!
  assert.deepEqual([second.attempt, second.base!.sha256], [3, digestOf('two')])
  assert.deepEqual(second.state!.last, {
    key: KEYS.clientState('a', 0, UPLOAD),
    dataset: '',
    ...{ sha256: digestOf('new'), size: 3 },
  })
  assert.equal(exchange.taskFor('stranger'), undefined)
})

test('a client that has replied to all has no task, and the other one is waited for', async () => {
  const { exchange, store, ask } = open()
  for (const place of [0, 2]) await storeReply(store, ask, { place, text: 'done' })
  await exchange.checkReceipt('a')
  assert.equal(exchange.taskFor('a'), undefined)
  assert.deepEqual([exchange.isPending('a'), exchange.isPending('b')], [false, true])
  assert.deepEqual(exchange.pending(), ['b'])
})

test('a reply to a later message counts when the earlier one has ended', async () => {
  const { exchange, store, ask, ended } = open()
  await storeReply(store, ask, { place: 2, text: 'early' })
  await exchange.checkReceipt('a')
  assert.deepEqual(ended, [])
  await storeReply(store, ask, { place: 0, text: 'done' })
  await exchange.checkReceipt('a')
  assert.deepEqual(
    ended.map(({ message, outcome }) => [message, outcome]),
    [
      [0, 'Accepted'],
      [2, 'Accepted'],
    ],
  )
})

test('the second reply of a client goes on from the state of the first, which its message was given', async () => {
  const { exchange, store, ask } = open()
  await storeReply(store, ask, { place: 0, text: 'done', state: 'first' })
  await storeReply(store, ask, { place: 2, text: 'done', state: 'second', change: { stateBase: null } })
  await exchange.checkReceipt('a')
  exchange.settle('b', ENDING)
  const [, , second] = exchange.replies()
  assert.deepEqual([second!.outcome, second!.reason], ['Rejected', 'WrongState'])
  assert.deepEqual(
    exchange.states.last.map(({ sha256 }) => sha256),
    [digestOf('first')],
  )
})

test('the decision names the state of the last reply of each client, and what changed since the exchange before', async () => {
  const last = [kept('a', 'old', 'another data set'), kept('b', 'theirs')]
  const { exchange, store, ask } = open({ last })
  // Client b, which replied first, went on; a started afresh with its first message, and went on with its second.
  const toB = { place: 1, text: 'done', state: 'more' }
  await storeReply(store, ask, { ...toB, change: { stateBase: digestOf('theirs') } })
  await exchange.checkReceipt('b')
  await storeReply(store, ask, { place: 0, text: 'done', state: 'first', change: { stateBase: null } })
  const toA = { place: 2, text: 'done', state: 'second' }
  await storeReply(store, ask, { ...toA, change: { stateBase: digestOf('first') } })
  await exchange.checkReceipt('a')
  const [, replyOfB, second] = exchange.replies()
  assert.deepEqual(exchange.decidedStates(), [
    { client: 'a', attempt: 3, receipt: second!.reply, sha256: digestOf('second'), change: 'StateReset' },
    { client: 'b', attempt: 2, receipt: replyOfB!.reply, sha256: digestOf('more') },
  ])
  assert.deepEqual(
    exchange.states.last.map(({ client, key }) => [client, key]),
    [
      ['a', KEYS.clientState('a', 2, UPLOAD)],
      ['b', KEYS.clientState('b', 1, UPLOAD)],
    ],
  )
})

test('the decision has the clients in the order of their names, and what the first of their replies changed', async () => {
  const rule: StateRule = { place: 'Local', maxBytes: 100 }
  const messages = [messageTo('b', 'one'), messageTo('a', 'one'), messageTo('b', 'two')]
  const { exchange, store, ask } = open({ last: [kept('b', 'lost at the client')], rule, messages })
  const state = (text: string) => ({ upload: null, ...digestPayload(bytesOf(text)) })
  for (const [place, text, stateBase] of [
    [0, 'afresh', null],
    [1, 'first', null],
    [2, 'more', digestOf('afresh')],
  ] as const)
    await storeReply(store, ask, { place, text: 'done', change: { state: state(text), stateBase } })
  for (const client of ['a', 'b']) await exchange.checkReceipt(client)
  assert.deepEqual(
    exchange.decidedStates().map(({ client, sha256, change }) => [client, sha256, change]),
    [
      ['a', digestOf('first'), undefined],
      ['b', digestOf('more'), 'StateLost'],
    ],
  )
})

test('the decision names a client whose state ended', async () => {
  const { exchange, store, ask } = open({ last: [kept('b', 'theirs', 'another data set')] })
  await storeReply(store, ask, { place: 1, text: 'done' })
  await exchange.checkReceipt('b')
  const [{ reply: receipt }] = exchange.replies() as [DecidedReply]
  assert.deepEqual(exchange.decidedStates(), [
    { client: 'b', attempt: 2, receipt, sha256: null, change: 'StateReset' },
  ])
  assert.deepEqual(exchange.states.last, [])
})

test('a client without a state before and after is not in the decision', async () => {
  const { exchange, store, ask } = open()
  await storeReply(store, ask, { place: 1, text: 'done' })
  await exchange.checkReceipt('b')
  assert.deepEqual(exchange.decidedStates(), [])
})

test('what has ended stays: neither a failure nor an ending changes it', async () => {
  const { exchange, store, ask, ended } = open()
  await storeReply(store, ask, { place: 1, text: 'done' })
  await exchange.checkReceipt('b')
  exchange.recordFailure('b', {
    state: 'Failed',
    round: EXCHANGE,
    attempt: 2,
    epoch: 3,
    code: 'X',
    message: '',
  })
  exchange.settle('b', ENDING)
  assert.deepEqual(
    ended.map(({ outcome }) => outcome),
    ['Accepted'],
  )
})

test('a reply that arrives while the store is read is seen: the check that it asks for is made after', async () => {
  const memory = createMemoryStore()
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  let reads = 0
  const store: ObjectStore = {
    ...memory,
    async get(key, ...rest) {
      const found = await memory.get(key, ...rest)
      reads += 1
      if (reads === 1) await held
      return found
    },
  }
  const { exchange, ask } = open({ store })
  const first = exchange.checkReceipt('b')
  await storeReply(memory, ask, { place: 1, text: 'done' })
  const second = exchange.checkReceipt('b')
  release()
  await Promise.all([first, second])
  assert.deepEqual(exchange.pending(), ['a'])
})

test('an ending that comes while the store is read counts, and the reply does not', async () => {
  const memory = createMemoryStore()
  let settle = (): void => {}
  const store: ObjectStore = {
    ...memory,
    async size(key) {
      settle()
      return memory.size(key)
    },
  }
  const { exchange, ask, ended } = open({ store })
  settle = () => exchange.settle('b', ENDING)
  await storeReply(memory, ask, { place: 1, text: 'done' })
  await exchange.checkReceipt('b')
  assert.deepEqual(
    ended.map(({ outcome }) => outcome),
    ['Late'],
  )
  assert.deepEqual([...exchange.received], [])
})

test('a check that failed does not keep the next one from looking', async () => {
  const memory = createMemoryStore()
  let fails = true
  const store: ObjectStore = {
    ...memory,
    async get(...args) {
      if (fails) throw new Error('no answer')
      return memory.get(...args)
    },
  }
  const { exchange, ask } = open({ store })
  await storeReply(memory, ask, { place: 1, text: 'done' })
  await assert.rejects(exchange.checkReceipt('b'), /no answer/)
  fails = false
  await exchange.checkReceipt('b')
  assert.deepEqual(exchange.pending(), ['a'])
})

test('long words of a client are cut to what the decision holds', () => {
  const { exchange, ended } = open()
  const long = 'x'.repeat(5000)
  exchange.recordFailure('b', {
    state: 'Failed',
    round: EXCHANGE,
    attempt: 2,
    epoch: 3,
    code: long,
    message: long,
  })
  assert.deepEqual([ended[0]!.reason.length, ended[0]!.text.length], [128, 2048])
})
