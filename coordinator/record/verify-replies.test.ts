// The verification of an exchange's replies: who signed, which state they go on from, what the decision says of both; and a roster.
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import type { KeptState, StatesRef } from '#protocol/client-state.ts'
import { digestPayload, sha256 } from '#protocol/digest.ts'
import type { DecidedReply, ExchangeDecision } from '#protocol/exchange.ts'
import { exchangeKeys, uploadName } from '#protocol/keys.ts'
import {
  askOf,
  bytesOf,
  EXCHANGE,
  type Flaws,
  KEYS,
  NO_STATES,
  storeReply,
  UID,
  UPLOAD,
} from '#test/given/exchange.ts'
import { createMemoryStore, type MemoryStore } from '#test/given/memory-store.ts'
import { keyNamed } from '#test/given/signed.ts'
import type { Findings } from './findings.ts'
import { type Others, type StatesAt, verifyReplies, verifyRosterNames } from './verify-replies.ts'

const ALL = ['a', 'b']
const { value: ASK } = askOf()
const keyOf = (name: string): string => keyNamed(name).publicKey
const digestOf = (text: string): string => digestPayload(bytesOf(text)).sha256

let store: MemoryStore
beforeEach(() => {
  store = createMemoryStore()
})

/** The map of a's state, stored; it has no bytes of the state itself. */
async function mapOf(states: readonly KeptState[]): Promise<StatesRef> {
  const bytes = encodeJson({ schema: 'fedsam.states/1', round: EXCHANGE, attempt: 1, states })
  const key = KEYS.states(sha256(bytes))
  await store.put(key, bytes)
  return { key, size: bytes.length, sha256: sha256(bytes) }
}

const stateOf = (text: string, key: string): KeptState => ({
  client: 'a',
  dataset: '',
  key,
  ...digestPayload(bytesOf(text)),
})

/** Stores a reply to each message, these ones with flaws, and decides that all count. */
async function exchange(
  flaws: Readonly<Record<number, Flaws & { state?: string }>> = {},
): Promise<ExchangeDecision> {
  const replies: DecidedReply[] = []
  for (const [place, { client }] of ASK.messages.entries()) {
    await storeReply(store, ASK, { place, text: `reply ${place}`, ...flaws[place] })
    const bytes = (await store.get(KEYS.reply(client, place)))!
    replies.push({
      ...{ message: place, client, outcome: 'Accepted', reason: '', text: '' },
      reply: sha256(bytes),
    })
  }
  return { schema: 'fedsam.exchange/1', epoch: 1, exchange: EXCHANGE, ask: 'e'.repeat(64), replies }
}

interface More {
  readonly before?: Partial<StatesAt>
  readonly roster?: Readonly<Record<string, readonly string[]>>
  readonly ask?: Partial<typeof ASK>
}

async function verified(decision: ExchangeDecision, { before = {}, roster, ask = {} }: More = {}) {
  const findings: Findings = {
    ...{ store, scope: 'Everything', problems: [], absent: [], payloads: 0, refolded: 0 },
  }
  const others: Others = {
    roster: roster && new Map(Object.entries(roster)),
    remarks: [],
    unlisted: [],
  }
  const about = {
    ...{ findings, ...others },
    keysOf: async (client: string) => new Set(ALL.includes(client) ? [keyOf(client)] : []),
  }
  const states = { ...NO_STATES, map: undefined, ...before }
  const after = await verifyReplies(about, { uid: UID, ask: { ...ASK, ...ask }, decision, before: states })
  return { ...findings, ...others, after }
}

test('replies that count and are signed are sound', async () => {
  const found = await verified(await exchange())
  assert.deepEqual([found.problems, found.payloads, found.after.last], [[], 3, []])
})

describe('a reply that counts is a problem', () => {
  for (const [what, flaws, says] of [
    ['with the signature of another client', { signer: 'b' }, /WrongSignature: no key of a signed the reply/],
    ['signed for another run', { uid: 'u2' }, /WrongSignature: the signature of the reply does not fit/],
    ['to another message', { change: { message: 1 } }, /BadReceipt: it names another client, exchange/],
    ['to another content', { change: { content: '0'.repeat(64) } }, /WrongBase/],
    ['that goes on from another state', { change: { stateBase: 'c'.repeat(64) } }, /WrongState/],
    ['whose bytes are others', { stored: 'REPLY 0' }, /block 0 does not match/],
  ] as const)
    test(what, async () => {
      const { problems } = await verified(await exchange({ 0: flaws }))
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0]!, says)
    })

  test('signed by a key that the ask does not name for the site', async () => {
    const sites = [{ name: 'a', key: keyOf('b') }]
    const { problems } = await verified(await exchange(), { ask: { sites } })
    assert.match(problems[0]!, /another key than the ask names signed the reply/)
  })

  test('where the decision names another marker, or the marker is missing', async () => {
    const decision = await exchange()
    const [first, ...rest] = decision.replies
    const other = { ...decision, replies: [{ ...first!, reply: '0'.repeat(64) }, ...rest] }
    assert.match((await verified(other)).problems[0]!, /is not what the decision names/)
    await store.delete(KEYS.reply('a', 0))
    assert.match((await verified(decision)).problems[0]!, /replies\/a\/0\.json is missing/)
  })

  test('with an outcome that does not count, and none with one that does', async () => {
    const decision = await exchange()
    const changed = (change: Partial<DecidedReply>) => ({
      ...decision,
      replies: decision.replies.map((one, at) => (at === 1 ? { ...one, ...change } : one)),
    })
    for (const change of [{ outcome: 'Late' }, { reply: null }] as const)
      assert.match((await verified(changed(change))).problems[0]!, /names a reply of b and the outcome/)
  })
})

test('a decision that leaves a message out, or has them in another order, is a problem', async () => {
  const decision = await exchange()
  for (const replies of [decision.replies.slice(1), decision.replies.toReversed()])
    assert.match(
      (await verified({ ...decision, replies })).problems[0]!,
      /does not decide about every message of the ask, in their order/,
    )
})

describe('states', () => {
  const changing = { 0: { state: 'new' }, 2: { state: 'newer', change: { stateBase: digestOf('new') } } }
  const NEWER = stateOf('newer', KEYS.clientState('a', 2, UPLOAD))

  async function decided(): Promise<ExchangeDecision> {
    const decision = await exchange(changing)
    const { reply: receipt } = decision.replies[2]!
    const states = [{ client: 'a', attempt: 3, receipt: receipt!, sha256: digestOf('newer') }]
    return { ...decision, states, map: await mapOf([NEWER]) }
  }

  test('that follow from the replies are sound, and the next exchange goes on from them', async () => {
    const { problems, after } = await verified(await decided())
    assert.deepEqual([problems, after.last], [[], [NEWER]])
  })

  test('that the decision names otherwise, or leaves out, are a problem', async () => {
    const decision = await decided()
    for (const states of [undefined, [], [{ ...decision.states![0]!, attempt: 1 }]]) {
      const { states: _, ...rest } = decision
      const { problems } = await verified({ ...rest, ...(states === undefined ? {} : { states }) })
      assert.match(problems[0]!, /names other states than its replies have/)
    }
  })

  test('whose map is missing, is that of before, or is another one, are a problem', async () => {
    const { map, ...decision } = await decided()
    assert.match((await verified(decision)).problems[0]!, /names no map of the states that changed/)
    const same = await verified({ ...decision, map: map! }, { before: { map: map! } })
    assert.match(same.problems[0]!, /names no map of the states that changed/)
    const other = await mapOf([{ ...NEWER, size: 6 }])
    assert.match((await verified({ ...decision, map: other })).problems[0]!, /is not the map that follows/)
  })

  test('that did not change keep their map', async () => {
    const map = await mapOf([NEWER])
    const { problems } = await verified({ ...(await exchange()), map })
    assert.match(problems[0]!, /names another map of states, and no state changed/)
  })
})

describe('with a roster', () => {
  const ROSTER = { a: [keyOf('a')], b: [keyOf('b')] }

  test('whose clients signed, nothing is found', async () => {
    const { unlisted, remarks } = await verified(await exchange(), { roster: ROSTER })
    assert.deepEqual([unlisted, remarks], [[], []])
  })

  test('a key or a client that it does not name contradicts it', async () => {
    const decision = await exchange()
    const other = await verified(decision, { roster: { ...ROSTER, b: [keyOf('c')] } })
    assert.deepEqual(other.problems, [])
    assert.match(
      other.unlisted.join('\n'),
      /^exchanges\/2\/replies\/b\/1\.json counts, but a key that the roster/,
    )
    const without = await verified(decision, { roster: { a: ROSTER.a } })
    assert.match(without.unlisted.join('\n'), /counts, but the roster does not name b$/)
    const sites = [{ name: 'b', key: keyOf('b') }]
    const named = await verified(decision, { roster: { ...ROSTER, b: [keyOf('c')] }, ask: { sites } })
    assert.match(named.unlisted[0]!, /ask\.json names a key for b that the roster does not name/)
  })

  test('a good reply that was rejected contradicts it; one that was late is a remark', async () => {
    const decision = await exchange()
    const lost = (outcome: 'Rejected' | 'Late', reason: string) => ({
      ...decision,
      replies: decision.replies.map((one, at) => (at === 1 ? { ...one, outcome, reason, reply: null } : one)),
    })
    const rejected = await verified(lost('Rejected', 'WrongDigest'), { roster: ROSTER })
    assert.match(rejected.unlisted[0]!, /passes every check, and the decision says Rejected WrongDigest$/)
    const late = await verified(lost('Late', 'NoReceipt'), { roster: ROSTER })
    assert.deepEqual(late.unlisted, [])
    assert.match(late.remarks[0]!, /passes every check, and the decision says Late NoReceipt$/)
    assert.deepEqual((await verified(lost('Rejected', 'X'))).unlisted, [], 'nothing without a roster')
  })

  test('a bad reply that was rejected contradicts nothing', async () => {
    const decision = await exchange({ 1: { stored: null } })
    const replies = decision.replies.map((one, at) =>
      at === 1 ? ({ ...one, outcome: 'Rejected', reason: 'WrongSize', reply: null } as const) : one,
    )
    const { unlisted, remarks } = await verified({ ...decision, replies }, { roster: ROSTER })
    assert.deepEqual([unlisted, remarks], [[], []])
  })

  test('clients that no exchange asked are a remark', () => {
    const others: Others = { roster: new Map([['z', []]]), remarks: [], unlisted: [] }
    verifyRosterNames(others, [ASK])
    assert.deepEqual(others.remarks, ['the roster names z, and no exchange asked them'])
  })
})

test('uploads of other lives beside a reply are no problem', async () => {
  const decision = await exchange()
  await store.put(exchangeKeys(EXCHANGE).payload('a', 0, uploadName(2)), bytesOf('left'))
  assert.deepEqual((await verified(decision)).problems, [])
})
