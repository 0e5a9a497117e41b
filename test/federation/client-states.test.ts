// What a client keeps between rounds: its state goes out with the task, counts with the receipt, and stays as long as the newest map names
// it. The quadratic trainer counts its calls in a file, and its counts move the model: a wrong state shows in the bytes.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readStates } from '#coordinator/record/client-states.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import type { KeptState } from '#protocol/client-state.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'
import { type Counts, quadraticWork, readCounts } from '../trainers/quadratic.ts'
import { until } from '../until.ts'
import { eventsOf, type FederationOptions, openFederation, runFederation } from './federation.ts'
import { closedOf, receiptOf, resultOf } from './record.ts'

const ROUNDS = 3
const LAST = ROUNDS + 1
const JOB: FederationOptions = {
  clients: ['a', 'b', 'c'],
  rounds: ROUNDS,
  size: 10,
  fixed: { minFitClients: 3, minAvailableClients: 3, retentionRounds: 9 },
  round: { quorum: 3 },
  quadratic: () => ({ counts: true }),
}
const strategy = (more: object) => ({ fixed: { ...JOB.fixed, strategy: { type: 'FedAvg', ...more } } })

async function statesOf(store: ObjectStore, round: number): Promise<readonly KeptState[]> {
  return readStates(store, await resultOf(store, round))
}

/** What the map after a round says of a client. */
async function countsOf(store: ObjectStore, round: number, client: string): Promise<Counts> {
  const { key } = (await statesOf(store, round)).find((one) => one.client === client)!
  return readCounts((await store.get(key!))!)
}

async function problemsOf(store: ObjectStore): Promise<readonly string[]> {
  const { problems, complete } = await verifyRecord(store)
  assert.ok(complete)
  return problems
}

async function keysLike(store: ObjectStore, pattern: RegExp): Promise<string[]> {
  return (await store.list(''))!.filter((key) => pattern.test(key)).sort()
}

test('every call goes on from the state of the call before: evaluate, then fit, round after round', async () => {
  const { store } = await runFederation(JOB)
  for (let round = 1; round <= ROUNDS; round += 1)
    assert.deepEqual(await countsOf(store, round, 'b'), { fits: round, evaluations: round })
  // The evaluation of the last model changes the state, too.
  assert.deepEqual(await countsOf(store, LAST, 'b'), { fits: ROUNDS, evaluations: LAST })
  const [first, second] = await Promise.all([1, 2].map((round) => receiptOf(store, round, 'b')))
  assert.deepEqual([first!.stateBase, second!.stateBase], [null, first!.state!.sha256])
  const { states } = await closedOf(store, 2)
  assert.deepEqual(
    states!.map(({ client, sha256 }) => [client, sha256]),
    (await statesOf(store, 2)).map(({ client, sha256 }) => [client, sha256]),
  )
  assert.deepEqual(await problemsOf(store), [])
})

test('a run without states has no map, and its decisions and results do not name one', async () => {
  const { store } = await runFederation({ ...JOB, quadratic: () => ({}) })
  assert.deepEqual(await keysLike(store, /states\.json|\.state$/), [])
  for (let round = 1; round <= LAST; round += 1) {
    assert.equal((await resultOf(store, round)).states, undefined)
    assert.equal((await closedOf(store, round)).states, undefined)
    const { state, stateBase } = await receiptOf(store, round, 'a')
    assert.deepEqual([state, stateBase], [null, null])
  }
})

test('a state that equals its base travels no bytes, and the result names the map of the earlier round', async () => {
  const { store } = await runFederation({ ...JOB, quadratic: () => ({ counts: 'Always the same' }) })
  const states = await keysLike(store, /\.state$/)
  assert.deepEqual(
    states,
    ['a', 'b', 'c'].map((client) => attemptKeys(1, 1).clientState(client, '0000000000000001')),
  )
  assert.deepEqual(await keysLike(store, /states\.json$/), [attemptKeys(1, 1).states])
  assert.equal((await resultOf(store, LAST)).states?.key, attemptKeys(1, 1).states)
  const { state } = await receiptOf(store, 3, 'a')
  assert.equal(state?.upload, null)
  assert.deepEqual(await problemsOf(store), [])
})

test('rejected work leaves the old state, although the evaluation succeeded', async () => {
  const { store } = await runFederation({
    ...JOB,
    round: { quorum: 2 },
    fixed: { minFitClients: 2, minAvailableClients: 3, retentionRounds: 9 },
    quadratic: (client) => {
      let fits = 0
      return {
        counts: true,
        spoil: (tensors) => {
          fits += 1
          return client === 'c' && fits === 2
            ? tensors.map((tensor) => ({ ...tensor, data: new Uint8Array(tensor.data.length).fill(255) }))
            : tensors
        },
      }
    },
  })
  assert.equal((await closedOf(store, 2)).outcomes.find(({ client }) => client === 'c')?.reason, 'NotFinite')
  assert.deepEqual(await countsOf(store, 2, 'c'), { fits: 1, evaluations: 1 })
  assert.deepEqual(await countsOf(store, 3, 'c'), { fits: 2, evaluations: 2 })
  assert.deepEqual(await countsOf(store, 3, 'a'), { fits: 3, evaluations: 3 })
  assert.deepEqual(await problemsOf(store), [])
})

test('a failed fit leaves the old state; a failed evaluation leaves none, and the fit goes on from the base', async () => {
  const { store } = await runFederation({
    ...JOB,
    round: { quorum: 2 },
    fixed: { minFitClients: 2, minAvailableClients: 3, retentionRounds: 9 },
    quadratic: (client) => ({
      counts: true,
      before: (call, round) => {
        if (client === 'c' && call === 'fit' && round === 2) throw new Error('no memory')
        if (client === 'b' && call === 'evaluate' && round === 2) throw new Error('no memory')
      },
    }),
  })
  assert.deepEqual(await countsOf(store, 2, 'c'), { fits: 1, evaluations: 1 })
  assert.deepEqual(await countsOf(store, 2, 'b'), { fits: 2, evaluations: 1 })
  assert.deepEqual(await problemsOf(store), [])
})

test('an abandoned attempt changes no state, and its receipts bring their states into the next one', async () => {
  let failing = true
  const { store, model } = await runFederation({
    ...JOB,
    quadratic: (client, events) => ({
      counts: true,
      before: async (call, round) => {
        if (client !== 'c' || call !== 'fit' || round !== 2 || !failing) return
        const admitted = () => eventsOf(events, 'UpdateAdmitted').filter((event) => event.round === 2)
        await until('the other updates are admitted', () => admitted().length === 2)
        failing = false
        throw new Error('once')
      },
    }),
  })
  const { attempt } = await resultOf(store, 2)
  assert.equal(attempt, 2)
  assert.equal((await closedOf(store, 2, 2)).states?.find(({ client }) => client === 'a')?.attempt, 1)
  for (const client of ['a', 'c'])
    assert.deepEqual(await countsOf(store, 2, client), { fits: 2, evaluations: 2 })
  assert.equal(model, (await runFederation(JOB)).model, 'the model of an undisturbed run')
  assert.deepEqual(await problemsOf(store), [])
})

test('a client that only evaluates keeps a state, too', async () => {
  const { store } = await runFederation({ ...JOB, onlookers: ['public'] })
  assert.deepEqual(await countsOf(store, LAST, 'public'), { fits: 0, evaluations: LAST })
  assert.deepEqual(await problemsOf(store), [])
})

test('a large state goes up in parts, and comes back to a client that lost its copy', async () => {
  const BYTES = 33 * 1024 * 1024
  const federation = await openFederation({
    ...JOB,
    clients: ['a'],
    rounds: 2,
    round: { quorum: 1 },
    fixed: { minFitClients: 1, minAvailableClients: 1, fractionEvaluate: 0 },
  })
  const seen: number[] = []
  const work: TrainerWork = {
    ...quadraticWork({ client: 'a', size: 10 }),
    async fit(call) {
      const { length } = call.state === undefined ? [] : await readFile(call.state)
      seen.push(length)
      await copyFile(call.tensors, call.output)
      await writeFile(call.state_output!, Buffer.alloc(BYTES + length, seen.length))
      return { num_examples: 1, metrics: {}, state: call.state_output }
    },
  }
  try {
    void federation.work('a', { work })
    await federation.coordinate({
      onEvent: (event) => {
        if (event.event === 'RoundCompleted' && event.round === 1)
          rmSync(join(federation.folder, 'a', 'states'), { recursive: true })
      },
    })
    assert.deepEqual(seen, [0, BYTES])
    const [kept] = await statesOf(federation.store, 2)
    assert.equal(await federation.store.size(kept!.key!), 2 * BYTES)
    assert.deepEqual(await problemsOf(federation.store), [])
  } finally {
    await federation.close()
  }
})

describe('retention', () => {
  test('keeps what the newest map names, however old, and deletes what no map names any more', async () => {
    const federation = await openFederation({
      ...JOB,
      rounds: 5,
      fixed: { minFitClients: 2, minAvailableClients: 2, retentionRounds: 1 },
      round: { quorum: 2 },
    })
    const { store, live, folder } = federation
    try {
      const all = live.members
      for (const client of ['a', 'b', 'c']) void federation.work(client)
      // "c" leaves after round 1, and its entry stays.
      const stop = new AbortController()
      const first = federation.coordinate({
        signal: stop.signal,
        onEvent: (event) => {
          if (event.event !== 'RoundCompleted') return
          live.members = all.filter(({ name }) => name !== 'c')
          if (event.round === 4) stop.abort()
        },
      })
      await assert.rejects(first, { code: 'Interrupted' })
      const [one] = (await statesOf(store, 4)).filter(({ client }) => client === 'c')
      assert.equal(one?.key, attemptKeys(1, 1).clientState('c', '0000000000000001'))
      // It comes back on another machine, for round 5.
      rmSync(join(folder, 'c'), { recursive: true })
      live.members = all
      void federation.work('c')
      await federation.coordinate()
      assert.deepEqual(await countsOf(store, 5, 'c'), { fits: 2, evaluations: 2 })
      const named = (await Promise.all([5, 6].map((round) => statesOf(store, round)))).flat()
      assert.deepEqual(await keysLike(store, /\.state$/), [...new Set(named.map(({ key }) => key!))].sort())
      assert.deepEqual(await problemsOf(store), [])
    } finally {
      await federation.close()
    }
  })
})

describe('Local', () => {
  test('keeps the bytes at the client: the record has digests only', async () => {
    const { store } = await runFederation({ ...JOB, ...strategy({ clientState: 'Local' }) })
    const { store: other } = await runFederation(JOB)
    assert.deepEqual(await keysLike(store, /\.state$/), [])
    const digests = async (from: ObjectStore) =>
      (await statesOf(from, LAST)).map(({ client, sha256 }) => [client, sha256])
    assert.deepEqual(await digests(store), await digests(other), 'the states of a run that records them')
    assert.deepEqual(await problemsOf(store), [])
  })

  test('a client that comes back without the bytes starts afresh, and its outcome says StateLost', async () => {
    const federation = await openFederation({ ...JOB, ...strategy({ clientState: 'Local' }) })
    const { store, folder } = federation
    try {
      for (const client of ['a', 'b', 'c']) void federation.work(client)
      await federation.coordinate({
        onEvent: (event) => {
          if (event.event === 'RoundCompleted' && event.round === 1)
            rmSync(join(folder, 'c', 'states'), { recursive: true })
        },
      })
      const { outcomes, states } = await closedOf(store, 2)
      assert.deepEqual(
        outcomes.map(({ client, outcome, reason }) => [client, outcome, reason]),
        [
          ['a', 'Accepted', ''],
          ['b', 'Accepted', ''],
          ['c', 'Accepted', 'StateLost'],
        ],
      )
      assert.equal(states?.find(({ client }) => client === 'c')?.change, 'StateLost')
      assert.equal((await receiptOf(store, 2, 'c')).stateBase, null)
      assert.equal((await closedOf(store, 3)).outcomes[2]?.reason, '')
      assert.deepEqual(await problemsOf(store), [])
    } finally {
      await federation.close()
    }
  })
})

test('a client whose data set changed starts afresh, and its outcome says StateReset', async () => {
  let changed = false
  const federation = await openFederation({
    ...JOB,
    quadratic: (client) => ({
      counts: true,
      dataset: () => (client === 'c' && changed ? 'another one' : `quadratic-${client}`),
    }),
  })
  const { store } = federation
  try {
    for (const client of ['a', 'b', 'c']) void federation.work(client)
    await federation.coordinate({
      onEvent: (event) => {
        changed ||= event.event === 'RoundCompleted' && event.round === 2
      },
    })
    const { outcomes, states } = await closedOf(store, 3)
    assert.deepEqual([outcomes[2]?.outcome, outcomes[2]?.reason], ['Accepted', 'StateReset'])
    assert.equal(states?.find(({ client }) => client === 'c')?.change, 'StateReset')
    assert.deepEqual(await countsOf(store, 3, 'c'), { fits: 1, evaluations: 1 })
    assert.deepEqual(await countsOf(store, 3, 'a'), { fits: 3, evaluations: 3 })
    assert.deepEqual(await problemsOf(store), [])
  } finally {
    await federation.close()
  }
})

test('a state above strategy.clientStateBytes fails the work of its client, which names both sizes', async () => {
  const federation = await openFederation({
    ...JOB,
    ...strategy({ clientStateBytes: 20 }),
    round: { quorum: 3, maxFailedRounds: 1 },
  })
  try {
    for (const client of ['a', 'b', 'c']) void federation.work(client)
    await assert.rejects(federation.coordinate(), {
      code: 'RunFailed',
      message: /the trainer's state .* has 26 bytes; the limit is 20 bytes/,
    })
  } finally {
    await federation.close()
  }
})
