// A reply counts where its client signed it for this message, it goes on from the right state, and its bytes are those that it names.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeJson, encodeJson } from '#protocol/canonical.ts'
import type { KeptState, StateRule } from '#protocol/client-state.ts'
import { digestPayload } from '#protocol/digest.ts'
import type { Reply } from '#protocol/exchange.ts'
import {
  askOf,
  bytesOf,
  CLIENT_KEYS,
  type Flaws,
  KEYS,
  NO_STATES,
  storeReply,
  UID,
  UPLOAD,
} from '#test/given/exchange.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { keyNamed } from '#test/given/signed.ts'
import { judgeReply } from './judge-reply.ts'

const { value: ASK } = askOf()
/** The reply of a to message 0. */
const PLACE = 0
const REPLY = KEYS.reply('a', PLACE)

type Judged = { store?: ReturnType<typeof createMemoryStore>; ask?: typeof ASK; states?: typeof NO_STATES }

function judge({ store = createMemoryStore(), ask = ASK, states = NO_STATES }: Judged) {
  return judgeReply(store, ask, { uid: UID, clientKeys: CLIENT_KEYS, place: PLACE, states })
}

async function judged(flaws: Flaws & { state?: string }, rest: Omit<Judged, 'store'> = {}) {
  const store = createMemoryStore()
  await storeReply(store, ASK, { place: PLACE, text: 'fine', ...flaws })
  return judge({ store, ...rest })
}

const rejectedAs = (reason: string, message: RegExp) => async (found: ReturnType<typeof judged>) => {
  const is = await found
  assert.ok(is.kind === 'Rejected', is.kind)
  assert.equal(is.reason, reason)
  assert.match(is.message, message)
}

test('no marker is no reply, though its bytes are stored', async () => {
  const store = createMemoryStore()
  assert.deepEqual(await judge({ store }), { kind: 'None' })
  await store.put(KEYS.payload('a', PLACE, UPLOAD), bytesOf('fine'))
  assert.deepEqual(await judge({ store }), { kind: 'None' })
})

test('a reply with its bytes is accepted, and so are one of no bytes and an error', async () => {
  const accepted = await judged({})
  assert.ok(accepted.kind === 'Accepted')
  assert.equal(accepted.reply.value.message, PLACE)
  assert.equal((await judged({ stored: '', change: content('') })).kind, 'Accepted')
  const error = { kind: 'Error', code: 6, reason: 'a mod refused it' } as const
  assert.equal((await judged({ stored: null, change: { reply: error } })).kind, 'Accepted')
})

/** The field of a reply that names these bytes. */
function content(text: string, change: object = {}): Pick<Reply, 'reply'> {
  return { reply: { kind: 'Content', upload: UPLOAD, ...digestPayload(bytesOf(text)), ...change } }
}

describe('a reply is rejected that names', () => {
  for (const [what, change] of [
    ['another client', { client: 'b' }],
    ['another exchange', { exchange: 1 }],
    ['another message', { message: 2 }],
  ] as const)
    test(what, () =>
      // The signature is that of the client whose place it takes.
      rejectedAs('BadReceipt', /another client, exchange or message/)(judged({ change, signer: 'a' })),
    )

  test('the content of another message: the reply to one message does not answer another', () =>
    rejectedAs(
      'WrongBase',
      /the message has/,
    )(judged({ change: { content: ASK.messages[2]!.content.sha256 } })))
})

describe('a reply is rejected with the signature', () => {
  test('of another client', () => rejectedAs('WrongSignature', /no key of a/)(judged({ signer: 'b' })))
  test('for another run', () => rejectedAs('WrongSignature', /does not fit/)(judged({ uid: 'u2' })))

  test('of other fields', async () => {
    for (const change of [
      { dataset: 'other' },
      { incarnation: 'j' },
      content('evil'),
      { reply: { kind: 'Error', code: 1, reason: '' } },
    ]) {
      const store = createMemoryStore()
      await storeReply(store, ASK, { place: PLACE, text: 'fine' })
      const signed = decodeJson((await store.get(REPLY))!) as Reply
      await store.delete(REPLY)
      await store.put(REPLY, encodeJson({ ...signed, ...change }))
      await rejectedAs('WrongSignature', /does not fit/)(judge({ store }))
    }
  })

  test('of a key that the site had before: the ask names the one that counts', async () => {
    const named = (key: string) => ({ ask: { ...ASK, sites: [{ name: 'a', key }] } })
    const other = judged({}, named(keyNamed('new').publicKey))
    await rejectedAs('WrongSignature', /another key than the ask names/)(other)
    assert.equal((await judged({}, named(keyNamed('a').publicKey))).kind, 'Accepted')
  })

  test('of the key that the ask names, where it is not pinned in the record', async () => {
    const ask = { ...ASK, sites: [{ name: 'a', key: keyNamed('b').publicKey }] }
    await rejectedAs('WrongSignature', /no key of a/)(judged({ signer: 'b' }, { ask }))
  })
})

describe('a reply is rejected whose stored bytes', () => {
  test('are missing', () => rejectedAs('WrongSize', /has no bytes/)(judged({ stored: null })))
  test('are more', () => rejectedAs('WrongSize', /has 5 bytes/)(judged({ stored: 'fine!' })))
  test('are others', () => rejectedAs('WrongDigest', /block 0 does not match/)(judged({ stored: 'evil' })))
  test('have another digest as a whole than it names', () =>
    rejectedAs('WrongDigest', /SHA-256/)(judged({ change: content('fine', { sha256: '0'.repeat(64) }) })))
  test('have other blocks', () =>
    rejectedAs('BadReceipt', /block digests/)(judged({ change: content('fine', { blocks: [] }) })))
})

test('a marker that cannot be read is rejected', async () => {
  for (const bytes of [
    bytesOf('{'),
    bytesOf(''),
    encodeJson({}),
    encodeJson({ schema: 'fedsam.receipt/1' }),
  ]) {
    const store = createMemoryStore()
    await store.put(REPLY, bytes)
    await rejectedAs('BadReceipt', /./)(judge({ store }))
  }
})

test('what the store throws is thrown: the client is not at fault', async () => {
  for (const fails of ['get', 'size'] as const) {
    const store = createMemoryStore()
    await storeReply(store, ASK, { place: PLACE, text: 'fine' })
    const fail = async (): Promise<never> => {
      throw new Error('no answer')
    }
    await assert.rejects(judge({ store: { ...store, [fails]: fail } }), /no answer/)
  }
})

describe('the state of a reply', () => {
  const KEPT: KeptState = {
    client: 'a',
    dataset: '',
    key: 'exchanges/1/replies/a/0/x.state',
    ...digestPayload(bytesOf('old')),
  }
  const last = [KEPT]
  const rule: StateRule = { place: 'Record', maxBytes: 3 }
  const stateBase = KEPT.sha256

  test('goes on from the last one', async () => {
    const found = await judged({ state: 'new', change: { stateBase } }, { states: { rule, last } })
    assert.equal(found.kind, 'Accepted')
  })

  test('is rejected on another base, and on none in the record', async () => {
    for (const base of ['c'.repeat(64), null]) {
      const found = judged({ state: 'new', change: { stateBase: base } }, { states: { rule, last } })
      await rejectedAs('WrongState', /went on from/)(found)
    }
  })

  test('is rejected where it is too large', () =>
    rejectedAs(
      'StateTooLarge',
      /4 bytes/,
    )(judged({ state: 'long', change: { stateBase } }, { states: { rule, last } })))

  test('is rejected where its stored bytes are others', async () => {
    const state = { upload: UPLOAD, ...digestPayload(bytesOf('new')) }
    const found = judged({ state: 'NEW', change: { state, stateBase } }, { states: { rule, last } })
    await rejectedAs('WrongDigest', /\.state: block 0 does not match/)(found)
  })
})
