// A client of an open exchange reads what was sent to it and its own state, and writes the reply to the message that it works on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptState } from '#protocol/client-state.ts'
import { type Ask, MOST_REPLY_BYTES } from '#protocol/exchange.ts'
import { exchangeKeys, parseKey, uploadName } from '#protocol/keys.ts'
import type { Want } from '#protocol/messages.ts'
import type { ServedExchange } from './current-attempt.ts'
import { whyNotReadExchange, whyNotWriteExchange } from './exchange-rights.ts'

const [TO_A, TO_B] = ['a'.repeat(64), 'b'.repeat(64)] as const
const DIGEST = 'd'.repeat(64)
const FIRST = uploadName(1)
const KEYS = exchangeKeys(2)
const KEPT = exchangeKeys(1).clientState('a', 0, FIRST)

const messages = [
  { client: 'a', content: { sha256: TO_A } },
  { client: 'b', content: { sha256: TO_B } },
  { client: 'a', content: { sha256: TO_A } },
]
/** Client a has replied to message 0. */
const exchange = {
  ask: { value: { exchange: 2, messages } as unknown as Ask, digest: DIGEST },
  states: {
    rule: { place: 'Record', maxBytes: 100 },
    last: [{ client: 'a', key: KEPT } as KeptState],
  },
  placeOf: (client: string) => ({ a: 2, b: 1 })[client],
} satisfies Pick<ServedExchange, 'ask' | 'states' | 'placeOf'>

const reads = (client: string, key: string): boolean =>
  whyNotReadExchange(exchange, client, parseKey(key)!, key) === undefined

const writes = (client: string, want: Want): boolean =>
  whyNotWriteExchange(exchange, client, parseKey(want.key)!, want) === undefined

const write = (key: string, size = 10): Want => ({ kind: 'Write', key, size, sha256: DIGEST })

test('a client reads the contents of messages to it and its own last state, and no other', () => {
  assert.ok(reads('a', KEYS.content(TO_A)))
  assert.ok(reads('b', KEYS.content(TO_B)))
  assert.ok(!reads('b', KEYS.content(TO_A)))
  assert.ok(!reads('a', exchangeKeys(1).content(TO_A)))
  assert.ok(reads('a', KEPT))
  assert.ok(!reads('b', KEPT))
  assert.ok(!reads('b', KEYS.payload('a', 0, FIRST)))
  assert.ok(!reads('b', KEYS.reply('a', 0)))
})

test('a client writes reply, bytes and state of the message that it works on, and of no other', () => {
  for (const key of [KEYS.reply('a', 2), KEYS.payload('a', 2, FIRST), KEYS.clientState('a', 2, FIRST)]) {
    assert.ok(writes('a', write(key)), key)
    assert.ok(!writes('b', write(key)), key)
  }
  assert.ok(!writes('a', write(KEYS.reply('a', 0))), 'it has replied already')
  assert.ok(!writes('a', write(exchangeKeys(1).reply('a', 2))), 'the exchange is over')
  assert.ok(!writes('a', write(KEYS.content(TO_A))))
  assert.ok(!writes('a', write('rounds/2/3/updates/a.json')))
})

test('sizes and names are bounded', () => {
  const payload = KEYS.payload('b', 1, FIRST)
  assert.ok(writes('b', write(payload, MOST_REPLY_BYTES)))
  assert.ok(!writes('b', write(payload, MOST_REPLY_BYTES + 1)))
  assert.ok(writes('b', write(KEYS.clientState('b', 1, FIRST), 100)))
  assert.ok(!writes('b', write(KEYS.clientState('b', 1, FIRST), 101)))
  assert.ok(!writes('b', write(KEYS.payload('b', 1, uploadName(99)))))
  assert.ok(!writes('b', { kind: 'OpenUpload', key: KEYS.reply('b', 1) }))
  assert.ok(!writes('b', { kind: 'Join', key: payload, size: 10, sha256: DIGEST }))
})
