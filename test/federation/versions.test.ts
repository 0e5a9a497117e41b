// Clients and coordinators of different releases in one run. One version apart they take part, to the same bytes; two apart they refuse
// each other, both sides name both versions, and the run continues without the client, or waits for it, as its minimum says.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { GrantRequest, NextRequest } from '#protocol/messages.ts'
import { CONVERSATION } from '#protocol/version.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { keyNamed, playCoordinator } from '../given/signed.ts'
import {
  eventsOf,
  type FederationOptions,
  openFederation,
  QUADRATIC,
  runFederation,
  seen,
} from './federation.ts'

const JOB: FederationOptions = {
  clients: ['a', 'b', 'c'],
  rounds: 2,
  fixed: { minFitClients: 3, minAvailableClients: 3 },
  round: { quorum: 3 },
  pace: { holdSeconds: 1 },
}
/** A run that may continue without one of its clients. */
const WITHOUT: FederationOptions = { ...JOB, fixed: {}, round: { quorum: 2, settleSeconds: 1 } }
const [N, SITE] = [CONVERSATION, keyNamed('site')]

const sentence = (client: number, coordinator: number): string =>
  `the client speaks version ${client} of the conversation and the coordinator version ${coordinator}`

let undisturbed: string
before(async () => {
  undisturbed = (await runFederation(JOB)).model
})

describe('a client takes part, to the same bytes,', () => {
  for (const [client, coordinator] of [
    [N - 1, N],
    [N + 1, N],
    [N, N + 1],
    [N, N - 1],
  ] as const)
    test(`with version ${client}, where the coordinator speaks ${coordinator}`, async () => {
      const federation = await openFederation(JOB)
      try {
        for (const name of ['a', 'c']) void federation.work(name, { version: coordinator })
        void federation.work('b', { version: client })
        await federation.coordinate({ version: coordinator })
        assert.equal(await federation.model(), undisturbed)
        assert.deepEqual(eventsOf(federation.events, 'ClientRefused'), [])
      } finally {
        await federation.close()
      }
    })
})

describe('a client that is two versions apart', () => {
  for (const version of [N - 2, N + 2])
    test(`is refused with version ${version}: both sides name both versions, and the run continues without it`, async () => {
      const lines: string[] = []
      const federation = await openFederation(WITHOUT)
      try {
        const run = federation.coordinate()
        const refused = federation.work('b', { version, onError: ({ message }) => lines.push(message) })
        assert.equal(await refused, 'OtherVersion')
        assert.ok(lines[0]?.includes(sentence(version, N)), String(lines))
        const [event] = eventsOf(federation.events, 'ClientRefused')
        assert.deepEqual([event?.client, event?.reason], ['b', 'OtherVersion'])
        assert.ok(event?.message.includes(sentence(version, N)))
        for (const name of ['a', 'c']) void federation.work(name)
        await run
        const rounds = eventsOf(federation.events, 'RoundCompleted').slice(0, 2)
        for (const { accepted } of rounds) assert.deepEqual(accepted, ['a', 'c'])
        const [opened] = eventsOf(federation.events, 'AttemptOpened').filter(({ round }) => round === 1)
        const absent = opened?.absent.find(({ client }) => client === 'b')
        assert.deepEqual([absent?.outcome, absent?.reason], ['Refused', 'OtherVersion'])
      } finally {
        await federation.close()
      }
    })

  test('is waited for where the run needs it: the wait names both versions, and an upgrade ends it', async () => {
    const federation = await openFederation(JOB)
    try {
      for (const name of ['a', 'c']) void federation.work(name)
      const run = federation.coordinate()
      assert.equal(await federation.work('b', { version: N - 2 }), 'OtherVersion')
      await seen(federation, 'Waiting', ({ absent }) =>
        absent.some(
          ({ client, reason, message }) =>
            client === 'b' && reason === 'OtherVersion' && message.includes(`version ${CONVERSATION - 2} of`),
        ),
      )
      void federation.work('b')
      await run
      assert.equal(await federation.model(), undisturbed)
    } finally {
      await federation.close()
    }
  })

  test('does not hold up a round in which it took part before: its site was changed to another release', async () => {
    const working = Promise.withResolvers<void>()
    const federation = await openFederation({
      ...WITHOUT,
      quadratic: (client) => ({
        before: (call) => (call === 'fit' && client === 'b' ? working.promise : undefined),
      }),
    })
    try {
      const { publicKey } = SITE
      federation.live.members = federation.live.members.map((member) =>
        member.name === 'b' ? { ...member, publicKey } : member,
      )
      const stop = new AbortController()
      for (const name of ['a', 'c']) void federation.work(name)
      const first = federation.work('b', { key: SITE, signal: stop.signal })
      const run = federation.coordinate()
      await seen(federation, 'UpdateAdmitted', ({ client }) => client === 'c')
      stop.abort()
      assert.equal(await federation.work('b', { key: SITE, version: N + 2 }), 'OtherVersion')
      await seen(federation, 'RoundCompleted', ({ round, outcomes }) =>
        outcomes.some(
          ({ client, outcome, reason }) =>
            round === 1 && client === 'b' && outcome === 'Failed' && reason === 'OtherVersion',
        ),
      )
      const last = eventsOf(federation.events, 'SiteConnection').at(-1)
      assert.deepEqual([last?.connected, last?.version], [true, N + 2])
      working.resolve()
      await Promise.all([run, first])
    } finally {
      working.resolve()
      await federation.close()
    }
  })

  test('tells a coordinator of version 1, which sees no versions, why it does not take part', async () => {
    const bus = createInProcessBus()
    const asked: (NextRequest | GrantRequest)[] = []
    await playCoordinator(bus, `fedsam.test.${QUADRATIC.uid}`, (request) => {
      asked.push(request)
      return { kind: 'wait', epoch: 1, reason: '' }
    })
    const federation = await openFederation({ ...JOB, bus })
    try {
      assert.equal(await federation.work('b', { version: 3 }), 'OtherVersion')
      const last = asked.at(-1)
      assert.ok(last?.kind === 'next' && last.have.state === 'Declined')
      assert.ok(last.have.message.includes(sentence(3, 1)), last.have.message)
      assert.match(last.have.message, /upgrade the federation's FedSAM/)
    } finally {
      await federation.close()
    }
  })
})
