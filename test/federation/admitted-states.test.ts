// Which states of clients the coordinator admits, and what becomes of clients and coordinators of a release that keeps no states.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestPayload } from '#protocol/digest.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import type { Receipt } from '#protocol/record.ts'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { playCoordinator } from '../given/signed.ts'
import { serveCrookedly } from './crooked-client.ts'
import { type FederationOptions, openFederation } from './federation.ts'
import { closedOf } from './record.ts'

const JOB: FederationOptions = {
  clients: ['a', 'b', 'c'],
  size: 10,
  quadratic: () => ({ counts: true }),
}

describe('admission', () => {
  const DIGEST = 'd'.repeat(64)
  const named = { sha256: DIGEST, size: 4, upload: '0000000000000001', blocks: [DIGEST] }
  for (const [what, change, reason, message] of [
    [
      'goes on from another state',
      { state: null, stateBase: DIGEST },
      'WrongState',
      /went on from the state d+; .* is null/,
    ],
    [
      'is larger than the job allows',
      { state: { ...named, size: 2e9 }, stateBase: null },
      'StateTooLarge',
      /2000000000 bytes/,
    ],
    [
      'was never uploaded',
      { state: named, stateBase: null },
      'WrongSize',
      /has no bytes, the receipt states 4/,
    ],
    [
      'has no upload',
      { state: { ...named, upload: null }, stateBase: null },
      'BadReceipt',
      /names no upload/,
    ],
    ['lacks the state before it', { state: named }, 'WrongState', /names no state/],
  ] as const satisfies readonly (readonly [string, Partial<Receipt>, string, RegExp])[])
    test(`rejects a receipt whose state ${what}: ${reason}`, async () => {
      const { outcome } = await crooked((receipt) => ({ ...receipt, ...change }))
      assert.deepEqual([outcome?.outcome, outcome?.reason], ['Rejected', reason])
      assert.match(outcome!.message, message)
    })

  test('takes an update of a release that keeps no states, as long as the client has none', async () => {
    assert.equal((await crooked((receipt) => receipt)).outcome?.outcome, 'Accepted')
  })

  test('rejects it once the client has one: its release is named', async () => {
    const { outcome } = await crooked((receipt) => receipt, 2)
    assert.deepEqual([outcome?.outcome, outcome?.reason], ['Rejected', 'WrongState'])
    assert.match(outcome!.message, /upgrade the client's FedSAM/)
  })

  test('rejects it where the client has one and starts afresh: the record has its bytes', async () => {
    const { outcome } = await crooked((receipt) => ({ ...receipt, ...AFRESH }), 2)
    assert.deepEqual([outcome?.outcome, outcome?.reason], ['Rejected', 'WrongState'])
  })

  const AFRESH = { dataset: 'quadratic-c', state: null, stateBase: null }

  /** A round in which "c" leaves this receipt; before the round it was an honest client. */
  async function crooked(lie: (receipt: Receipt) => Receipt, round = 1) {
    const memory = createMemoryStore()
    const transfers = createGrantedTransfers({ memory })
    const federation = await openFederation({
      ...JOB,
      store: memory,
      transfers,
      rounds: round,
      round: { quorum: 2, settleSeconds: 0 },
      fixed: { minFitClients: 2, minAvailableClients: 3, fractionEvaluate: 0 },
    })
    const signal = new AbortController().signal
    const serve = () =>
      serveCrookedly({
        client: 'c',
        prefix: subjectPrefix('test', 'test'),
        bus: federation.bus,
        transfers,
        lie: ({ body, receipt }) => ({ body, receipt: lie(receipt) }),
        signal,
      })
    const leave = new AbortController()
    try {
      for (const client of ['a', 'b']) void federation.work(client)
      if (round > 1) void federation.work('c', { signal: leave.signal })
      await federation.coordinate({
        onEvent: (event) => {
          const isBefore =
            event.event === 'RoundCompleted'
              ? event.round === round - 1
              : event.event === 'Initialised' && round === 1
          if (!isBefore) return
          leave.abort()
          void serve()
        },
      })
      const { outcomes } = await closedOf(memory, round)
      return { outcome: outcomes.find(({ client }) => client === 'c') }
    } finally {
      await federation.close()
    }
  }
})

test('a trainer that needs a state fails where the coordinator keeps none, and the client says so', async () => {
  const bus = createInProcessBus()
  const heard: string[] = []
  const prefix = subjectPrefix('test', 'test')
  const base = digestPayload(writeSafetensors([]))
  // A release before states: its task has no such field.
  const task = {
    ...{ kind: 'Train', round: 1, attempt: 1, epoch: 1, evaluate: false, config: {}, seed: 'e'.repeat(64) },
    base: { key: attemptKeys(0, 1).model, ...base },
  }
  const failed = Promise.withResolvers<void>()
  await playCoordinator(bus, prefix, async (request) => {
    if (request.kind === 'grant')
      return { kind: 'granted', epoch: 1, granted: [{ kind: 'Grant', grant: GRANT }] }
    if (request.have.state === 'Failed') {
      heard.push(request.have.message)
      failed.resolve()
    }
    if (request.have.state === 'Idle') return { kind: 'task', epoch: 1, task }
    // A client asks again at once.
    await sleep(10)
    return { kind: 'wait', epoch: 1, reason: '' }
  })
  const federation = await openFederation({
    ...JOB,
    bus,
    transfers: createGrantedTransfers({ memory: MEMORY }),
  })
  try {
    void federation.work('a')
    await failed.promise
    assert.match(heard[0]!, /names no state_output, and this trainer keeps a state/)
  } finally {
    await federation.close()
  }
})

const GRANT = { method: 'GET', url: 'memory:///base', headers: {} }
/** A store with one object, the base. */
const MEMORY = {
  scheme: {
    read: async () => assert.fail('no part is read'),
    open: async () => {
      const body = writeSafetensors([])
      return {
        size: body.length,
        chunks: (async function* () {
          yield body
        })(),
      }
    },
    write: async () => assert.fail('nothing is written'),
  },
}
