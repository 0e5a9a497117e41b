// When an exchange ends, and what became of each message, with a clock on which no time passes until the exchange waits.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RunEvent } from '#protocol/events.ts'
import type { Ask } from '#protocol/exchange.ts'
import { uploadName } from '#protocol/keys.ts'
import { createNotifier } from '#runtime/notifier.ts'
import {
  askOf,
  bytesOf,
  CLIENT_KEYS,
  EXCHANGE,
  KEYS,
  markersIn,
  NO_STATES,
  storeReply,
  UPLOAD,
} from '#test/given/exchange.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { type ClockScript, scriptedClock } from '#test/given/scripted-clock.ts'
import { keyNamed } from '#test/given/signed.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { createCurrentAttempt, type ServedExchange } from '../clients/current-attempt.ts'
import { openLeftoverUploads } from '../clients/leftover-uploads.ts'
import { DEFAULT_PACE, type Member } from '../settings/settings.ts'
import { type ExchangesContext, runExchange } from './exchange.ts'

type Script = ClockScript<Given>

interface Given {
  readonly store: ObjectStore
  readonly ask: Ask
  /** The partitions of the job. */
  members: Member[]
  /** Clients that send requests. */
  ready: Set<string>
  stopped: boolean
  /** What clients reach. */
  served(): ServedExchange
  /** A client says that it has replied. */
  told(client: string): Promise<void>
  /** The job changed. */
  changed(): void
}

interface Setting {
  readonly ask?: Partial<Ask>
  readonly epoch?: number
  readonly store?: ObjectStore
  readonly members?: Member[]
}

async function run(
  script: Script,
  { ask: change = {}, epoch = 1, store = createMemoryStore(), members }: Setting = {},
) {
  const ask = askOf(change)
  const events: RunEvent[] = []
  const notifier = createNotifier()
  const current = createCurrentAttempt(notifier)
  const given: Given = {
    store,
    ask: ask.value,
    members: members ?? ['a', 'b'].map((name) => ({ name, train: true })),
    ready: new Set(['a', 'b']),
    stopped: false,
    served: () => current.attempt() as ServedExchange,
    told: async (client) => given.served().checkReceipt(client),
    changed: notifier.notify,
  }
  const clock = scriptedClock(script, () => given)
  const context = {
    ...{ current, notifier, clock, pace: DEFAULT_PACE, clientKeys: CLIENT_KEYS },
    markers: markersIn(store, epoch) as ExchangesContext['markers'],
    live: () => ({ members: given.members }) as unknown as ReturnType<ExchangesContext['live']>,
    leftovers: openLeftoverUploads({ store, clock, grantSeconds: 900 }),
    presence: { isReady: (client: string) => given.ready.has(client) } as ExchangesContext['presence'],
    guard: {
      throwIfStopped() {
        if (given.stopped) throw new Error('stopped')
      },
    } as ExchangesContext['guard'],
    observe: (event: RunEvent) => void events.push(event),
    signal: new AbortController().signal,
    fixed: { name: 'run', seed: 7 },
    sites: { report: () => {} },
  } satisfies ExchangesContext
  const closed = await runExchange(context, ask, NO_STATES)
  assert.equal(current.attempt(), null)
  const outcomes = closed.replies.map(({ client, outcome, reason }) =>
    [client, outcome, reason].join(' ').trim(),
  )
  return { closed, outcomes, at: clock.now(), events, store }
}

/** The client's reply is stored, and the client tells of it. */
const replies =
  (place: number, isTold = true) =>
  async ({ store, ask, told }: Given): Promise<void> => {
    await storeReply(store, ask, { place, text: `reply ${place}` })
    if (isTold) await told(ask.messages[place]!.client)
  }

const FAILED = {
  state: 'Failed',
  round: EXCHANGE,
  attempt: 1,
  epoch: 1,
  code: 'TrainerFailed',
  message: 'no memory',
} as const

test('it ends with the last reply; replies are in the order of the messages, whichever came first', async () => {
  const { outcomes, at, closed, events } = await run([
    [3, replies(1)],
    [5, replies(0)],
    [9, replies(2)],
  ])
  assert.deepEqual(outcomes, ['a Accepted', 'b Accepted', 'a Accepted'])
  assert.deepEqual(
    closed.replies.map(({ message }) => message),
    [0, 1, 2],
  )
  assert.equal(at, 9)
  assert.deepEqual(events, [])
  for (const { message, reply } of closed.replies) assert.equal(closed.received.get(message)!.digest, reply)
})

test('a reply whose message was lost is found by looking, and at the latest at the end', async () => {
  const { outcomes, at } = await run([
    [1, replies(0)],
    [2, replies(1, false)],
    [3, replies(2)],
  ])
  assert.deepEqual([outcomes[1], at], ['b Accepted', DEFAULT_PACE.pollSeconds])
  const last = await run([[4, replies(1, false)]], { ask: { timeoutSeconds: 5 } })
  assert.deepEqual([last.outcomes[1], last.at], ['b Accepted', 5])
})

describe('a message without a reply', () => {
  test('is Late at the timeout where its client is at work, and Unreachable where it sends nothing', async () => {
    const { outcomes, at, closed } = await run([
      [1, replies(0)],
      [2, ({ ready }) => ready.delete('b')],
    ])
    assert.deepEqual(outcomes, ['a Accepted', 'b Unreachable Silent', 'a Late NoReceipt'])
    assert.equal(at, 60)
    assert.deepEqual([...closed.received.keys()], [0])
  })

  test('is waited for as long as the program says, or else as the job says', async () => {
    assert.equal((await run([], { ask: { timeoutSeconds: 7.5 } })).at, 7.5)
    assert.equal((await run([], { ask: { timeoutSeconds: null } })).at, 600)
  })

  test('is not waited for with a timeout of 0', async () => {
    const { outcomes, at } = await run([], { ask: { timeoutSeconds: 0 } })
    assert.deepEqual([outcomes[0], at], ['a Late NoReceipt', 0])
  })

  test('is waited for while its client is silent: its pod comes back', async () => {
    const { outcomes, at } = await run([
      [1, replies(0)],
      [2, replies(2)],
      [3, ({ ready }) => ready.delete('b')],
      [50, replies(1)],
    ])
    assert.deepEqual([outcomes[1], at], ['b Accepted', 50])
  })
})

describe('a client whose partition', () => {
  test('leaves the job is waited for no longer', async () => {
    const { outcomes, at } = await run([
      [1, replies(0)],
      [2, replies(2)],
      [
        8,
        (given) => {
          given.members = given.members.filter(({ name }) => name !== 'b')
          given.changed()
        },
      ],
    ])
    assert.deepEqual([outcomes[1], at], ['b Removed PartitionRemoved', 8])
  })

  test('leaves the job after it replied has replied', async () => {
    const { outcomes } = await run([
      [
        8,
        async (given) => {
          for (const place of [0, 1, 2]) await replies(place, false)(given)
          given.members = []
          given.changed()
        },
      ],
    ])
    assert.deepEqual(outcomes, ['a Accepted', 'b Accepted', 'a Accepted'])
  })

  test('never was in the job is not waited for', async () => {
    const { outcomes, at } = await run(
      [
        [1, replies(0)],
        [2, replies(2)],
      ],
      {
        ask: {
          messages: askOf().value.messages.map((one) => (one.client === 'b' ? { ...one, client: 'c' } : one)),
        },
      },
    )
    assert.deepEqual([outcomes[1], at], ['c Removed PartitionRemoved', 2])
  })

  test('has another key is waited for no longer: of another site, a pod in place of a site, and the reverse', async () => {
    const [old, other] = [keyNamed('b').publicKey, keyNamed('new').publicKey]
    for (const [before, after] of [
      [old, other],
      [old, undefined],
      [undefined, other],
    ]) {
      const members = (key: string | undefined): Member[] => [
        { name: 'a', train: true },
        { name: 'b', train: true, ...(key === undefined ? {} : { publicKey: key }) },
      ]
      const { outcomes, at } = await run(
        [
          [1, replies(0)],
          [2, replies(2)],
          [
            8,
            (given) => {
              given.members = members(after)
              given.changed()
            },
          ],
        ],
        {
          ask: before === undefined ? {} : { sites: [{ name: 'b', key: before }] },
          members: members(before),
        },
      )
      assert.deepEqual([outcomes[1], at], ['b Removed KeyChanged', 8])
    }
  })
})

describe('what the client says', () => {
  test('that it failed ends its message, and its next one begins', async () => {
    const { outcomes, events } = await run([
      [1, ({ served }) => served().recordFailure('a', FAILED)],
      [2, replies(1)],
      [3, replies(2)],
    ])
    assert.deepEqual(outcomes, ['a Failed TrainerFailed', 'b Accepted', 'a Accepted'])
    assert.deepEqual(events, [
      { event: 'ClientFailed', round: EXCHANGE, client: 'a', reason: 'TrainerFailed', message: 'no memory' },
    ])
  })

  test('of a failure in other work changes nothing', async () => {
    const { outcomes } = await run([
      [
        1,
        ({ served }) => {
          served().recordFailure('a', { ...FAILED, round: EXCHANGE - 1 })
          served().recordFailure('a', { ...FAILED, attempt: 3 })
          served().recordFailure('c', FAILED)
        },
      ],
      ...[0, 1, 2].map((place) => [2 + place, replies(place)] as const),
    ])
    assert.deepEqual(outcomes, ['a Accepted', 'b Accepted', 'a Accepted'])
  })
})

test('a reply that another key signed is rejected, and named', async () => {
  const { outcomes, events, closed } = await run([
    [
      1,
      async ({ store, ask, told }) => {
        await storeReply(store, ask, { place: 1, text: 'forged', signer: 'a' })
        await told('b')
      },
    ],
    [2, replies(0)],
    [3, replies(2)],
  ])
  assert.deepEqual(outcomes, ['a Accepted', 'b Rejected WrongSignature', 'a Accepted'])
  assert.equal(closed.replies[1]!.reply, null)
  assert.deepEqual(
    events.map((event) => [event.event, 'client' in event && event.client]),
    [['UpdateRejected', 'b']],
  )
})

test('a coordinator that takes over counts replies to an earlier one before it asks anybody', async () => {
  const store = createMemoryStore()
  const { value: ask } = askOf()
  for (const place of [0, 1, 2]) await storeReply(store, ask, { place, text: 'there' })
  const { outcomes, at } = await run([], { store, epoch: 2 })
  assert.deepEqual([outcomes, at], [['a Accepted', 'b Accepted', 'a Accepted'], 0])
})

test('a coordinator that takes over counts the timeout from its own start: two machines have two clocks', async () => {
  const { at } = await run([[40, replies(0)]], { epoch: 2 })
  assert.equal(at, 60)
})

test('a coordinator that is asked to stop leaves the exchange open', async () => {
  const stopped = run([
    [
      5,
      (given) => {
        given.stopped = true
        given.changed()
      },
    ],
  ])
  await assert.rejects(stopped, /stopped/)
})

describe('uploads that no reply names', () => {
  const other = KEYS.payload('a', 0, uploadName(2))
  const upload =
    (key: string, grants: boolean) =>
    async ({ store, served }: Given) => {
      if (grants) served().uploads.grant(key, 900)
      await store.put(key, bytesOf('left'))
    }

  test('are deleted after the decision, and what a reply names stays', async () => {
    const { closed, store } = await run([
      [1, upload(other, true)],
      ...[0, 1, 2].map((place) => [2 + place, replies(place)] as const),
    ])
    assert.notEqual(await store.size(other), undefined, 'a coordinator that ends here has decided nothing')
    await closed.clean()
    assert.equal(await store.size(other), undefined)
    assert.notEqual(await store.size(KEYS.payload('a', 0, UPLOAD)), undefined)
  })

  test('cost no request to the store where every upload has its reply', async () => {
    const memory = createMemoryStore()
    const reads: string[] = []
    const store: ObjectStore = {
      ...memory,
      get(key, ...rest) {
        reads.push(key)
        return memory.get(key, ...rest)
      },
    }
    const grant = ({ served }: Given) => served().uploads.grant(KEYS.payload('a', 0, UPLOAD), 900)
    const { closed } = await run(
      [[0, grant], ...[0, 1, 2].map((place) => [2 + place, replies(place)] as const)],
      { store },
    )
    reads.length = 0
    await closed.clean()
    assert.deepEqual(reads, [])
  })

  test('are deleted by a coordinator that took over, by computed names', async () => {
    const { closed, store } = await run(
      [
        [1, upload(other, false)],
        [2, replies(0)],
      ],
      { epoch: 2 },
    )
    await closed.clean()
    assert.equal(await store.size(other), undefined)
    assert.notEqual(await store.size(KEYS.payload('a', 0, UPLOAD)), undefined)
  })
})
