// Whom a running federation waits for before an attempt opens, how many updates it needs, and what counts when it closes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRequest } from '#protocol/envelope.ts'
import { RUN_KEY, resultKey } from '#protocol/keys.ts'
import { readRequest } from '#protocol/messages.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { type MessageBus, NoAnswer, type ObjectStore } from '#transport/ports.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { jumpingClock } from '../jumping-clock.ts'
import { until } from '../until.ts'
import { eventsOf, type FederationOptions, openFederation, runFederation, seen } from './federation.ts'
import { closedOf, decisionOf, planOf } from './record.ts'

/** Long enough that a run which waits for it does not end within the test. */
const NEVER = 1e6

test('a round waits for minAvailableClients, though minFitClients are there', async () => {
  const federation = await openFederation({
    clients: ['a', 'b', 'c'],
    rounds: 1,
    fixed: { minFitClients: 2, minAvailableClients: 3 },
    round: { settleSeconds: 0 },
  })
  try {
    void federation.work('a')
    void federation.work('b')
    const run = federation.coordinate()
    await seen(federation, 'Waiting', (event) => event.kind === 'Train' && event.available.length === 2)
    const [waiting] = eventsOf(federation.events, 'Waiting').filter(({ kind }) => kind === 'Train')
    assert.deepEqual([waiting?.needed, waiting?.missing], [3, ['c']])
    void federation.work('c')
    await run
    assert.deepEqual((await planOf(federation.store, 1)).available, ['a', 'b', 'c'])
  } finally {
    await federation.close()
  }
})

test('a round waits settleSeconds for a partition that only evaluates, so that it measures the first model too', async () => {
  const federation = await openFederation({
    clients: ['a', 'b'],
    onlookers: ['public'],
    rounds: 1,
    round: { settleSeconds: NEVER },
  })
  try {
    for (const client of ['a', 'b']) void federation.work(client)
    const run = federation.coordinate()
    await seen(federation, 'Waiting', ({ kind, missing }) => kind === 'Train' && missing.join() === 'public')
    void federation.work('public')
    await run
    assert.deepEqual((await planOf(federation.store, 1)).evaluators, ['a', 'b', 'public'])
    assert.deepEqual(
      (await planOf(federation.store, 0)).available,
      ['a', 'b'],
      'round 0 needs trainers alone',
    )
  } finally {
    await federation.close()
  }
})

test('nobody waits for a partition that only evaluates where nobody evaluates', async () => {
  const { outcome } = await runFederation({
    clients: ['a', 'b'],
    onlookers: ['public'],
    absent: ['public'],
    rounds: 1,
    fixed: { fractionEvaluate: 0 },
    round: { settleSeconds: NEVER },
  })
  assert.equal(outcome?.rounds, 1)
})

test('the last model is evaluated by partitions that only evaluate, where no trainer is left', async () => {
  const federation = await openFederation({
    clients: ['a', 'b'],
    onlookers: ['public'],
    rounds: 1,
    round: { settleSeconds: 0, availabilitySeconds: NEVER },
    pace: { holdSeconds: 0.2 },
  })
  try {
    const gone = new AbortController()
    for (const client of ['a', 'b']) void federation.work(client, { signal: gone.signal })
    void federation.work('public')
    // The first coordinator ends after the last training round, before it plans the evaluation of its model.
    const stop = new AbortController()
    const store: ObjectStore = {
      ...federation.store,
      async put(key, body) {
        const written = await federation.store.put(key, body)
        if (key === resultKey(1)) stop.abort()
        return written
      },
    }
    await assert.rejects(federation.coordinate({ signal: stop.signal, store }), { code: 'Interrupted' })
    gone.abort()
    const outcome = await federation.coordinate()
    assert.notEqual(outcome.evaluation, null)
    const { evaluators } = await planOf(federation.store, 2)
    assert.deepEqual(evaluators, ['public'])
  } finally {
    await federation.close()
  }
})

test('a strategy needs its own minimum of updates, even where round.quorum is lower', async () => {
  const { error, store } = await runFederation({
    clients: ['a', 'b', 'c'],
    rounds: 1,
    fixed: { strategy: { type: 'Krum' }, minFitClients: 3, minAvailableClients: 3 },
    round: { quorum: 1, maxFailedRounds: 1 },
    quadratic: (client) => ({
      before: (call) => {
        if (client === 'c' && call === 'fit') throw new Error('broken')
      },
    }),
  })
  assert.equal((await planOf(store, 1)).quorum, 3)
  assert.match(error!.message, /of 3 updates were accepted, 3 are needed; .*c: Failed/)
})

test('a cohort that may be too small for its strategy is refused before anything is written', async () => {
  const { error, store } = await runFederation({
    clients: ['a', 'b'],
    fixed: { strategy: { type: 'FedTrimmedAvg' }, minFitClients: 4 },
  })
  assert.equal(error?.code, 'InvalidJob')
  assert.match(error.message, /minFitClients is 4, and FedTrimmedAvg needs at least 5 updates/)
  assert.equal(await store.size(RUN_KEY), undefined)
})

/** The bus as a client uses it whose word that it has left its receipt never arrives: it seems to be at work still. */
function mute(bus: MessageBus, client: string): MessageBus {
  return {
    ...bus,
    async request(subject, body, options) {
      const signed = openRequest(body, { uid: 'test', client })
      const request = signed && readRequest(signed.body)
      if (request?.kind === 'next' && request.have.state === 'Left') throw new NoAnswer('lost on purpose')
      return bus.request(subject, body, options)
    },
  }
}

test('a receipt whose message was lost counts when its attempt ends', async () => {
  const memory = createMemoryStore()
  const bus = createInProcessBus()
  const left = async (): Promise<boolean> => {
    const receipts = ['a', 'b'].map((client) => memory.size(`rounds/1/1/updates/${client}.json`))
    return !(await Promise.all(receipts)).includes(undefined)
  }
  const options: FederationOptions = {
    clients: ['a', 'b', 'c'],
    rounds: 1,
    fixed: { minFitClients: 3, minAvailableClients: 3 },
    round: { quorum: 3, maxFailedRounds: 1 },
    // Nobody looks into the store by itself.
    pace: { pollSeconds: NEVER },
    store: memory,
    transfers: createGrantedTransfers({ memory }),
    bus,
    workerBus: mute(bus, 'b'),
    quadratic: (client) => ({
      before: async (call) => {
        if (client !== 'c' || call !== 'fit') return
        // With the failure of c the quorum is out of reach, and the attempt ends while b seems to be at work.
        await until('a and b have left their receipts', left)
        throw new Error('broken')
      },
    }),
  }
  const { error } = await runFederation(options)
  assert.match(error!.message, /2 of 3 updates were accepted, 3 are needed; c: Failed/)
  const decision = await decisionOf(memory, 1)
  assert.deepEqual(
    decision.outcomes.map(({ client, outcome }) => [client, outcome]),
    [
      ['a', 'Accepted'],
      ['b', 'Accepted'],
      ['c', 'Failed'],
    ],
  )
})

test('a round does not wait until its deadline for the evaluation of a client that went away', async () => {
  const clock = jumpingClock()
  const reached = Promise.withResolvers<void>()
  const federation = await openFederation({
    clients: ['a', 'b'],
    onlookers: ['public'],
    rounds: 1,
    clock,
    pace: { silenceSeconds: 400, holdSeconds: 0.2 },
    round: { deadlineSeconds: NEVER },
    quadratic: (client) => ({
      before: (call) => {
        if (client !== 'public' || call !== 'evaluate') return undefined
        reached.resolve()
        return new Promise(() => {})
      },
    }),
  })
  try {
    const gone = new AbortController()
    for (const client of ['a', 'b']) void federation.work(client)
    const left = federation.work('public', { signal: gone.signal })
    const run = federation.coordinate()
    void run.catch(() => {})
    await reached.promise
    for (const client of ['a', 'b'])
      await seen(federation, 'UpdateAdmitted', (event) => event.round === 1 && event.client === client)
    gone.abort()
    await left
    clock.jump(401)
    await seen(federation, 'RoundCompleted', ({ round }) => round === 1)
    const { evaluations, outcomes } = await closedOf(federation.store, 1)
    assert.deepEqual(
      evaluations.map(({ client }) => client),
      ['a', 'b'],
    )
    assert.equal(outcomes.length, 3)
  } finally {
    await federation.close()
  }
})
