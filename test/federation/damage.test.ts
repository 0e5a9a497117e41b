// A record whose bytes change: an update that no longer fits its receipt ends its attempt, and the next one succeeds. A next
// attempt that had begun is resumed, and a result that another coordinator has left meanwhile counts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { meanMetrics } from '#coordinator/aggregation/evaluation.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { decodeJson, encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { attemptKeys, resultKey } from '#protocol/keys.ts'
import type { RoundResult } from '#protocol/record.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore, Written } from '#transport/ports.ts'
import { createMemoryStore, type MemoryStore } from '../given/memory-store.ts'
import {
  eventsOf,
  type Federation,
  type FederationOptions,
  openFederation,
  runFederation,
  seen,
} from './federation.ts'
import { closedOf, receiptOf } from './record.ts'

const JOB: FederationOptions = { clients: ['a', 'b'], rounds: 2 }
const reference = runFederation(JOB)

/** A store whose payloads of b in round 1, attempt 1 are read as other bytes, from the decision on, until it is healed. */
interface Damaged {
  readonly memory: MemoryStore
  readonly store: ObjectStore
  /** Aborted when the decision is there. */
  readonly decided: AbortSignal
  heal(): void
}

function damagedStore(
  put?: (memory: MemoryStore, key: string, body: Uint8Array) => Promise<Written>,
): Damaged {
  const memory = createMemoryStore()
  const decided = new AbortController()
  let healed = false
  const store: ObjectStore = {
    ...memory,
    async put(key, body) {
      const written = await (put ?? ((_, ...object) => memory.put(...object)))(memory, key, body)
      if (key === attemptKeys(1, 1).decision) decided.abort()
      return written
    },
    async get(key, range) {
      const bytes = await memory.get(key, range)
      const whole = healed || !decided.signal.aborted || !key.startsWith('rounds/1/1/updates/b/')
      if (whole || bytes === undefined) return bytes
      const flipped = new Uint8Array(bytes)
      flipped[flipped.length - 1] = flipped[flipped.length - 1]! ^ 1
      return flipped
    },
  }
  return {
    memory,
    store,
    decided: decided.signal,
    heal: () => {
      healed = true
    },
  }
}

/** Runs to the decision of round 1 with one coordinator, which is stopped there; then `go` does the rest. */
async function afterDecision(
  damaged: Damaged,
  go: (federation: Federation, fits: string[]) => Promise<void>,
  clients = JOB.clients,
): Promise<void> {
  const fits: string[] = []
  const { memory, store, decided } = damaged
  const federation = await openFederation({
    ...JOB,
    clients,
    store,
    transfers: createGrantedTransfers({ memory }),
    quadratic: (client) => ({
      before: (call, round) => {
        if (call !== 'fit' || round !== 1) return
        fits.push(client)
        if (client === 'fails-once' && fits.filter((name) => name === client).length === 1)
          throw new Error('once')
      },
    }),
  })
  try {
    for (const client of clients) void federation.work(client)
    await assert.rejects(federation.coordinate({ signal: decided }), { code: 'Interrupted' })
    await go(federation, fits)
  } finally {
    await federation.close()
  }
}

const attemptsOf = ({ events }: Federation): number[][] =>
  eventsOf(events, 'RoundCompleted')
    .slice(0, 2)
    .map(({ round, attempt }) => [round, attempt])

describe('an update that changes after its admission', () => {
  test('ends the attempt as RecordDamaged; the next one succeeds', async () => {
    await afterDecision(damagedStore(), async (federation, fits) => {
      await federation.coordinate()
      const [abandoned] = eventsOf(federation.events, 'AttemptAbandoned')
      assert.equal(abandoned?.reason, 'RecordDamaged')
      assert.match(abandoned!.message, /rounds\/1\/1\/updates\/b\//)
      assert.deepEqual(attemptsOf(federation), [
        [1, 2],
        [2, 1],
      ])
      assert.deepEqual(fits.sort(), ['a', 'b', 'b'], 'only the damaged update was made again')
      assert.equal(await federation.model(), (await reference).model)
    })
  })

  test('does not end each coordinator that follows, although one attempt is allowed', async () => {
    await afterDecision(damagedStore(), async (federation) => {
      Object.assign(federation.live.round, { maxFailedRounds: 1 })
      await federation.coordinate()
      assert.deepEqual(attemptsOf(federation)[0], [1, 2])
      assert.equal(await federation.model(), (await reference).model)
    })
  })

  test('is healed too late for an attempt whose successor was planned', async () => {
    const damaged = damagedStore()
    await afterDecision(damaged, async (federation) => {
      const stop = new AbortController()
      const second = federation.coordinate({ signal: stop.signal })
      await seen(federation, 'AttemptOpened', ({ round, attempt }) => round === 1 && attempt === 2)
      stop.abort()
      await second.catch(() => {})
      damaged.heal()
      await federation.coordinate()
      assert.ok(
        eventsOf(federation.events, 'RoundCompleted').every(
          ({ round, attempt }) => round !== 1 || attempt === 2,
        ),
      )
    })
  })

  test('in every attempt fails the run after maxFailedRounds', async () => {
    const memory = createMemoryStore()
    let spoil = false
    const store: ObjectStore = {
      ...memory,
      async put(key, body) {
        spoil = /^rounds\/1\/\d+\/decision/.test(key) || (spoil && !/^rounds\/1\/\d+\/plan/.test(key))
        return memory.put(key, body)
      },
      async get(key, range) {
        const bytes = await memory.get(key, range)
        return spoil && bytes !== undefined && key === 'rounds/0/1/model.safetensors'
          ? bytes.map((byte) => byte ^ 1)
          : bytes
      },
    }
    const { error, events } = await runFederation({
      ...JOB,
      store,
      transfers: createGrantedTransfers({ memory }),
    })
    assert.equal(error?.code, 'RunFailed')
    assert.match(error!.message, /round 1 was abandoned 3 times: RecordDamaged: .*rounds\/0\/1\/model/)
    assert.equal(eventsOf(events, 'AttemptAbandoned').length, 3)
  })
})

test("another coordinator's result of an earlier attempt counts, with its decision", async () => {
  // When the second attempt's result is about to be left, the first coordinator has left that of the first.
  const damaged = damagedStore(async (memory, key, body) => {
    if (key !== resultKey(1) || (await memory.size(key)) !== undefined) return memory.put(key, body)
    const mine = decodeJson(body) as RoundResult
    const [theirs, plan, decision] = [attemptKeys(1, 1), attemptKeys(1, 1).plan, attemptKeys(1, 1).decision]
    await memory.put(theirs.model, (await memory.get(mine.model.key))!)
    const counted = (await closedOf(memory, 1)).updates.map(async ({ client, numExamples }) => ({
      numExamples,
      metrics: (await receiptOf(memory, 1, client)).update!.metrics,
    }))
    const result = {
      ...mine,
      attempt: 1,
      epoch: 1,
      plan: sha256((await memory.get(plan))!),
      decision: sha256((await memory.get(decision))!),
      model: { ...mine.model, key: theirs.model },
      metrics: meanMetrics(await Promise.all(counted)),
    }
    await memory.put(key, encodeJson(result))
    return memory.put(key, body)
  })
  const clients = ['a', 'b', 'fails-once']
  await afterDecision(
    damaged,
    async (federation) => {
      await federation.coordinate()
      assert.deepEqual(attemptsOf(federation), [
        [1, 1],
        [2, 1],
      ])
      const [first] = eventsOf(federation.events, 'RoundCompleted')
      assert.deepEqual(first?.accepted, ['a', 'b'], 'as the decision of the first attempt says')
      damaged.heal()
      assert.deepEqual((await verifyRecord(federation.store)).problems, [])
    },
    clients,
  )
})
