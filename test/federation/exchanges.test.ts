// Exchanges of a Program run with real workers: clients that are killed, silent, removed, forged or that fail; and what the program and the record
// have of each. The program averages the numbers of three clients, who add 0, 1 and 2, and from their second message on 10 more.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { digestPayload } from '#protocol/digest.ts'
import { exchangeKeys, uploadName } from '#protocol/keys.ts'
import { signReceipt } from '#protocol/receipt-signature.ts'
import { readMarker } from '#protocol/record.ts'
import { systemClock } from '#runtime/clock.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { GrantedTransfers, ObjectStore } from '#transport/ports.ts'
import { recordingTransfers } from '../faults/recording-store.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { keyNamed } from '../given/signed.ts'
import { type Before, CLIENTS, exchanges } from '../programs/exchanges.ts'
import { eventsOf, type Federation, type FederationOptions, openFederation, seen } from './federation.ts'

/** Three exchanges from 1: 1 + 1; that + 1 + 10; that + 1 + 10. */
const UNDISTURBED = '24\n'

async function withFederation(
  options: FederationOptions,
  act: (federation: Federation) => Promise<void>,
): Promise<void> {
  const federation = await openFederation(options)
  try {
    await act(federation)
  } finally {
    await federation.close()
  }
}

const historyOf = async ({ store }: { store: ObjectStore }): Promise<string> =>
  new TextDecoder().decode((await store.get('output/history.txt'))!)

/** What became of the messages of an exchange, by the record: CLIENT OUTCOME REASON. */
async function outcomesOf({ store }: { store: ObjectStore }, exchange: number): Promise<string[]> {
  const key = exchangeKeys(exchange).decision
  const { replies } = readMarker('exchange', key, (await store.get(key))!)
  return replies.map(({ client, outcome, reason }) => [client, outcome, reason].join(' ').trim())
}

async function isSound({ store }: { store: ObjectStore }): Promise<void> {
  const { problems, complete } = await verifyRecord(store)
  assert.deepEqual([problems, complete], [[], true])
}

const ALL = CLIENTS.map((client) => `${client} Accepted`)

test('nothing goes wrong', () =>
  withFederation(exchanges(), async (federation) => {
    const working = CLIENTS.map((client) => federation.work(client))
    await federation.coordinate()
    assert.equal(await historyOf(federation), UNDISTURBED)
    assert.deepEqual(new Set(await Promise.all(working)), new Set(['the run is complete']))
    assert.deepEqual(await outcomesOf(federation, 2), ALL)
    await isSound(federation)
    // A marker, a reply and a state of each client.
    const left = (await federation.store.list('exchanges/2/replies/'))!
    assert.equal(left.length, 9, left.join('\n'))
  }))

test('two messages to each client in an exchange, and exchanges with nobody; a client is killed between the two', async () => {
  const killed = new AbortController()
  let met = 0
  const before: Before = (client, { group }) => {
    if (client !== 'b' || group !== '2') return undefined
    met += 1
    if (met !== 2) return undefined
    killed.abort()
    throw new Error('killed')
  }
  await withFederation(exchanges(before, 'twice'), async (federation) => {
    for (const client of ['a', 'c']) void federation.work(client)
    const first = federation.work('b', { signal: killed.signal })
    const over = federation.coordinate()
    assert.equal(await first, 'Interrupted')
    void federation.work('b')
    await over
    // The mean of 1, 2, 3 and, of the second messages, 11, 12, 13 is 7; then each adds 10 and its place.
    assert.equal(await historyOf(federation), '29\n')
    assert.deepEqual(await outcomesOf(federation, 2), [...ALL, ...ALL])
    assert.equal(await federation.store.size(exchangeKeys(4).ask), undefined)
    await isSound(federation)
  })
})

describe('a client that is killed', () => {
  test('while it works on a message, and comes back with another key, replies to it', async () => {
    const killed = new AbortController()
    const before: Before = async (client, { group }) => {
      if (client === 'b' && group === '2' && !killed.signal.aborted) {
        killed.abort()
        throw new Error('killed')
      }
    }
    await withFederation(exchanges(before), async (federation) => {
      for (const client of ['a', 'c']) void federation.work(client)
      const first = federation.work('b', { signal: killed.signal })
      const over = federation.coordinate()
      assert.equal(await first, 'Interrupted')
      void federation.work('b')
      await over
      assert.equal(await historyOf(federation), UNDISTURBED)
      await isSound(federation)
    })
  })

  for (const [what, ending] of [
    ['its state', '.state'],
    ['its reply', '.records'],
    ['the marker', '.json'],
  ] as const)
    test(`after it stored ${what} comes to the same bytes, and leaves nothing that no marker names`, async () => {
      const memory = createMemoryStore()
      const killed = new AbortController()
      const transfers: GrantedTransfers = recordingTransfers(
        createGrantedTransfers({ memory }),
        async (_index, _operation, key, phase) => {
          if (killed.signal.aborted || phase !== 'after') return
          if (!/exchanges\/2\/replies\/b[/]/.test(key) || !key.endsWith(ending)) return
          killed.abort()
          throw new Error('killed')
        },
      )
      await withFederation({ ...exchanges(), store: memory, transfers }, async (federation) => {
        for (const client of ['a', 'c']) void federation.work(client)
        void federation.work('b', { signal: killed.signal })
        const over = federation.coordinate()
        await new Promise((resolve) => killed.signal.addEventListener('abort', resolve))
        void federation.work('b')
        await over
        assert.equal(await historyOf(federation), UNDISTURBED)
        await isSound(federation)
        const left = (await memory.list('exchanges/2/replies/'))!
        assert.equal(left.length, 9, left.join('\n'))
      })
    })
})

test('a client that is at work at the end of an exchange is Late; its next reply counts, and its state is the one before', async () => {
  const held = Promise.withResolvers<void>()
  const before: Before = async (client, { group }) => {
    if (client === 'c' && group === '2') await held.promise
  }
  const options = { ...exchanges(before), clock: systemClock(50), round: { deadlineSeconds: 60 } }
  await withFederation(options, async (federation) => {
    for (const client of CLIENTS) void federation.work(client)
    const over = federation.coordinate({
      onEvent: (event) => {
        if (event.event === 'ExchangeOpened' && event.exchange === 3) held.resolve()
      },
    })
    await over
    assert.deepEqual(await outcomesOf(federation, 2), ['a Accepted', 'b Accepted', 'c Late NoReceipt'])
    assert.deepEqual(await outcomesOf(federation, 3), ALL)
    // 2; then the mean of 12 and 13; then a and b add 10, and c, whose last state is that of the first exchange, too.
    assert.equal(Number(await historyOf(federation)), 12.5 + 11)
    await isSound(federation)
  })
})

test('a trainer that fails is Failed, and one that replies with an error has replied', async () => {
  const before: Before = (client, { group }) => {
    if (group !== '2') return
    if (client === 'a') throw new Error('no memory')
    if (client === 'b') return { error: { code: 6, reason: 'a mod refuses it' } }
  }
  await withFederation(exchanges(before), async (federation) => {
    for (const client of CLIENTS) void federation.work(client)
    await federation.coordinate()
    assert.deepEqual(await outcomesOf(federation, 2), ['a Failed TrainerFailed', 'b Accepted', 'c Accepted'])
    assert.match(eventsOf(federation.events, 'ClientFailed')[0]!.message, /no memory/)
    const [, closed] = eventsOf(federation.events, 'ExchangeCompleted')
    assert.deepEqual([closed!.replies, closed!.errors], [2, 1])
    await isSound(federation)
  })
})

describe('a reply that is in the store', () => {
  const KEYS = exchangeKeys(2)
  const upload = uploadName(3)
  const bytes = new TextEncoder().encode('1000')
  /** What the stranger stores as the reply of b to its message of exchange 2. */
  type Forge = (content: string) => Uint8Array
  const reply = (content: string, change: object = {}) => ({
    ...{ schema: 'fedsam.reply/1', client: 'b', exchange: 2, message: 1, content, incarnation: 'x' },
    ...{ reply: { kind: 'Content', upload, ...digestPayload(bytes) }, dataset: '' },
    ...{ state: null, stateBase: null, ...change },
  })
  const forgeries: readonly (readonly [what: string, reason: string, forge: Forge])[] = [
    [
      'and that another key signed',
      'WrongSignature',
      (content) => signReceipt(keyNamed('stranger'), 'test', reply(content)),
    ],
    [
      'and that another client signed',
      'WrongSignature',
      (content) => signReceipt(keyNamed('a'), 'test', reply(content)),
    ],
    ['and that nobody signed', 'BadReceipt', (content) => encodeJson(reply(content))],
    [
      'and that its own client signed for another message',
      'BadReceipt',
      (content) => signReceipt(keyNamed('b'), 'test', reply(content, { message: 0 })),
    ],
    [
      'and that its own client signed for another content',
      'WrongBase',
      () => signReceipt(keyNamed('b'), 'test', reply('0'.repeat(64))),
    ],
    [
      'and that goes on from no state',
      'WrongState',
      (content) => signReceipt(keyNamed('b'), 'test', reply(content)),
    ],
  ]
  for (const [what, reason, forge] of forgeries)
    test(`${what} is Rejected, and the program goes on without it`, async () => {
      const memory = createMemoryStore()
      const store: ObjectStore = {
        ...memory,
        // The forged reply is there as soon as the message is.
        async put(key, body) {
          const written = await memory.put(key, body)
          if (key === KEYS.ask) {
            const { messages } = readMarker('ask', key, body)
            await memory.put(KEYS.payload('b', 1, upload), bytes)
            await memory.put(KEYS.reply('b', 1), forge(messages[1]!.content.sha256))
          }
          return written
        },
      }
      const options = { ...exchanges(), store, transfers: createGrantedTransfers({ memory }) }
      await withFederation(options, async (federation) => {
        for (const client of CLIENTS) void federation.work(client, { key: keyNamed(client) })
        await federation.coordinate()
        assert.deepEqual(await outcomesOf(federation, 2), [
          'a Accepted',
          `b Rejected ${reason}`,
          'c Accepted',
        ])
        assert.equal(Number(await historyOf(federation)), (12 + 14) / 3 + 11)
        assert.deepEqual(
          eventsOf(federation.events, 'UpdateRejected').map(({ client }) => client),
          ['b'],
        )
        await isSound(federation)
      })
    })
})

test('a client that joins between two exchanges is there for the next one, and a replay has the same lists', async () => {
  const stop = new AbortController()
  await withFederation(exchanges(), async (federation) => {
    federation.live.members = federation.live.members.filter(({ name }) => name !== 'c')
    for (const client of ['a', 'b']) void federation.work(client)
    const first = federation.coordinate({
      signal: stop.signal,
      onEvent: (event) => {
        if (event.event !== 'ExchangeCompleted') return
        if (event.exchange === 1) {
          federation.live.members = CLIENTS.map((name) => ({ name, train: true }))
          void federation.work('c')
        }
        if (event.exchange === 2) stop.abort()
      },
    })
    await assert.rejects(first, { code: 'Interrupted' })
    await seen(federation, 'ExchangeCompleted', ({ exchange }) => exchange === 2)
    await federation.coordinate()
    assert.deepEqual(await outcomesOf(federation, 1), ALL.slice(0, 2))
    assert.deepEqual(await outcomesOf(federation, 2), ALL)
    // The mean of 1 and 2; of 11.5, 12.5 and, from a client that begins, 3.5; of that and 10, 11 and 12 more.
    assert.equal(Number(await historyOf(federation)), (11.5 + 12.5 + 3.5) / 3 + 11)
    await isSound(federation)
  })
})
