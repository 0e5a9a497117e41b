// Clients whose key the job names: they train as all others do, to the same bytes; nobody with another key takes their place, from the
// first word on; and a client whose key changes while it works is removed.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { keyNamed } from '../given/signed.ts'
import {
  eventsOf,
  type Federation,
  type FederationOptions,
  openFederation,
  runFederation,
  seen,
} from './federation.ts'
import { changed, finishedRecord, markerOf, type Objects, rechain, storeOf } from './tampered.ts'

const JOB: FederationOptions = { clients: ['a', 'b', 'c'], rounds: 2, pace: { holdSeconds: 1 } }
const SITE = keyNamed('site')
const THIEF = keyNamed('thief')

/** Names a client's key in the job, as a change of its spec does; undefined: the client is no site. */
function name(federation: Federation, client: string, key: SigningKey | undefined): void {
  const publicKey = key === undefined ? {} : { publicKey: key.publicKey }
  federation.live.members = federation.live.members.map((member) =>
    member.name === client ? { name: client, train: member.train, ...publicKey } : member,
  )
}

let undisturbed: string
before(async () => {
  undisturbed = (await runFederation(JOB)).model
})

describe('a site', () => {
  test('with its key takes part to the same bytes; the record names the key, and is sound', async () => {
    const federation = await openFederation(JOB)
    try {
      name(federation, 'b', SITE)
      for (const client of ['a', 'c']) void federation.work(client)
      void federation.work('b', { key: SITE })
      await federation.coordinate()
      assert.equal(await federation.model(), undisturbed)
      assert.deepEqual(
        eventsOf(federation.events, 'SiteConnection').map(({ client, connected }) => [client, connected]),
        [['b', true]],
      )
      const { problems } = await verifyRecord(federation.store, {
        roster: new Map([['b', [SITE.publicKey]]]),
      })
      assert.deepEqual(
        problems.filter((problem) => !/the roster does not name the client/.test(problem)),
        [],
      )
    } finally {
      await federation.close()
    }
  })

  test('may have any name that a partition may have, beside a pod with another such name', async () => {
    const clients = ['constructor', 'site', 'pod']
    const options: FederationOptions = { ...JOB, clients, rounds: 1, round: { quorum: 3 } }
    const { model } = await runFederation(options)
    for (const site of ['constructor', 'site']) {
      const federation = await openFederation(options)
      name(federation, site, SITE)
      for (const client of clients) void federation.work(client, client === site ? { key: SITE } : {})
      await federation.coordinate()
      assert.equal(await federation.model(), model, site)
      assert.deepEqual((await verifyRecord(federation.store)).problems, [])
      await federation.close()
    }
  })

  test('is not replaced by a worker with another key that comes first', async () => {
    const federation = await openFederation(JOB)
    try {
      name(federation, 'b', SITE)
      const run = federation.coordinate()
      assert.equal(await federation.work('b', { key: THIEF }), 'Refused')
      const [refused] = eventsOf(federation.events, 'ClientRefused')
      assert.match(refused?.message ?? '', /the job names another key for b/)
      for (const client of ['a', 'c']) void federation.work(client)
      void federation.work('b', { key: SITE })
      await run
      assert.equal(await federation.model(), undisturbed)
      assert.equal(
        eventsOf(federation.events, 'ClientJoined').filter(({ client }) => client === 'b').length,
        1,
      )
    } finally {
      await federation.close()
    }
  })

  for (const [what, next] of [
    ['has another key', THIEF],
    ['is no site any more', undefined],
  ] as const)
    test(`whose partition ${what} while it trains is removed from the round, and refused`, async () => {
      const working = Promise.withResolvers<void>()
      const refused = Promise.withResolvers<void>()
      const federation = await openFederation({
        ...JOB,
        quadratic: (client) => ({
          before: (call, round) => {
            if (call !== 'fit') return undefined
            if (client === 'b') return working.promise
            return round === 2 ? refused.promise : undefined
          },
        }),
      })
      try {
        name(federation, 'b', SITE)
        for (const client of ['a', 'c']) void federation.work(client)
        const ended = federation.work('b', { key: SITE })
        const run = federation.coordinate()
        await seen(federation, 'UpdateAdmitted', ({ client }) => client === 'c')
        name(federation, 'b', next)
        await seen(federation, 'RoundCompleted', ({ round, outcomes }) =>
          outcomes.some(
            ({ client, outcome, reason }) =>
              round === 1 && client === 'b' && outcome === 'Removed' && reason === 'KeyChanged',
          ),
        )
        working.resolve()
        if (next !== undefined) assert.equal(await ended, 'Refused')
        refused.resolve()
        await run
        const { problems } = await verifyRecord(federation.store)
        assert.deepEqual(problems, [])
      } finally {
        working.resolve()
        refused.resolve()
        await federation.close()
      }
    })
})

describe('a record of a run with a site', () => {
  let sound: Objects
  const plan = attemptKeys(1, 1).plan
  before(async () => {
    sound = await finishedRecord()
  })

  /** The record as it would be if the job had named this key for "b" in round 1, consistent in itself. */
  async function naming(key: string): Promise<Objects> {
    const objects = new Map(sound)
    changed(objects, 'plan', plan, (one) => ({ ...one, sites: [{ name: 'b', key }] }))
    await rechain(objects)
    return objects
  }
  const ownKey = (): string => markerOf(sound, 'receipt', attemptKeys(1, 1).receipt('b')).key!

  test('is sound where the key of the plan signed the receipts', async () => {
    const { problems } = await verifyRecord(await storeOf(await naming(ownKey())))
    assert.deepEqual(problems, [])
  })

  test('is not where another key of the client signed one, although the record pins that key', async () => {
    const { problems } = await verifyRecord(await storeOf(await naming(SITE.publicKey)))
    const fault = 'round 1: another key than the one that the plan names of b signed its receipt that counts'
    assert.deepEqual(problems, [fault])
  })

  test('is not where the roster names another key than the plan', async () => {
    const roster = new Map([['b', [SITE.publicKey]]])
    const { problems } = await verifyRecord(await storeOf(await naming(ownKey())), { roster })
    assert.ok(
      problems.includes('round 1: the plan names a key for b that the roster does not name'),
      problems.join('\n'),
    )
  })
})
