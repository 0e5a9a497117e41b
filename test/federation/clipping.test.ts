// Bounds on one client in a whole run, clipNorm and maxExamples: what the record says of norms, bounds and claims, what a poisoned
// update can do to the model, and that the record alone determines all of it, wherever a coordinator took over.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { verifyDecisions } from '#coordinator/record/verify-decisions.ts'
import type { Chain } from '#coordinator/record/verify-output.ts'
import { type Link, roundProblems } from '#coordinator/record/verify-round.ts'
import type { FixedSettings } from '#coordinator/settings/settings.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { quadraticWork } from '../trainers/quadratic.ts'
import {
  coordinateThrough,
  eventsOf,
  type FederationOptions,
  openFederation,
  runFederation,
} from './federation.ts'
import { closedOf, planOf, receiptOf, resultOf } from './record.ts'

const ROUNDS = 4
const clip = (clipNorm: { norm?: number; medianMultiple?: number }): Partial<FixedSettings> => ({
  clipNorm: { norm: null, medianMultiple: null, ...clipNorm },
  spec: { strategy: { clipNorm } },
  minFitClients: 4,
  minAvailableClients: 4,
  retentionRounds: 20,
})

/** Pushes every element far away. */
function poisoned(tensor: Tensor): Tensor {
  const values = new Float32Array(Uint8Array.from(tensor.data).buffer).map((value) => value + 1e6)
  return { ...tensor, data: new Uint8Array(values.buffer) }
}

const job = (fixed: Partial<FixedSettings>): FederationOptions => ({
  clients: ['a', 'b', 'c', 'poison'],
  rounds: ROUNDS,
  size: 500,
  fixed,
  round: { quorum: 4 },
  quadratic: (client) =>
    client === 'poison' ? { spoil: (tensors) => tensors.map(poisoned), numExamples: 16 } : {},
})

function valuesOf(bytes: Uint8Array): number[] {
  return readSafetensors(bytes).flatMap(({ data }) => [...new Float32Array(Uint8Array.from(data).buffer)])
}

/** The norm by its definition. */
function distance(a: readonly number[], b: readonly number[]): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0))
}

async function modelOf(store: ObjectStore, round: number): Promise<number[]> {
  return valuesOf((await store.get((await resultOf(store, round)).model.key))!)
}

async function updateOf(store: ObjectStore, round: number, client: string): Promise<number[]> {
  const { upload } = (await receiptOf(store, round, client)).update!
  return valuesOf((await store.get(attemptKeys(round, 1).payload(client, upload)))!)
}

/** The chain as verify reads it. */
async function chainOf(
  store: ObjectStore,
  spec: Readonly<Record<string, unknown>>,
  rounds = ROUNDS,
): Promise<Chain> {
  const links: Link[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const result = { value: await resultOf(store, round), digest: '' }
    links.push({
      result,
      plan: await planOf(store, round),
      decision: await closedOf(store, round),
      states: [],
    })
  }
  const run = { value: { spec }, digest: '' } as unknown as NonNullable<Chain['run']>
  return { run, links }
}

async function problemsOf(
  store: ObjectStore,
  fixed: Partial<FixedSettings>,
  change: (link: Link) => Link,
): Promise<string[]> {
  const { run, links } = await chainOf(store, fixed.spec!)
  const problems: string[] = []
  const reading = { store, problems, read: <T>(value: Promise<T>) => value }
  await verifyDecisions(reading, { run, links: links.map(change) }, true)
  return problems
}

describe('a poisoned update', () => {
  test('moves the model far without clipping, and by no more than its share of the bound with it', async () => {
    const free = await runFederation(job({ ...clip({ norm: 1 }), clipNorm: null, spec: {} }))
    const held = await runFederation(job(clip({ medianMultiple: 2 })))
    const moved = async (store: ObjectStore): Promise<number> =>
      distance(await modelOf(store, 1), await modelOf(store, 0))
    assert.ok((await moved(free.store)) > 1e6)
    const { clipNorm } = await closedOf(held.store, 1)
    assert.ok((await moved(held.store)) <= clipNorm!)
    assert.deepEqual((await verifyRecord(held.store)).problems, [])
  })

  test('is named as an outlier in each round, with and without clipping; nobody is in an honest run', async () => {
    const named = async (options: FederationOptions): Promise<string[]> => {
      const { events } = await runFederation(options)
      return eventsOf(events, 'RoundCompleted').flatMap(({ round, outliers }) =>
        outliers.map(({ client, measure }) => `${round} ${client} ${measure}`),
      )
    }
    const norms = Array.from({ length: ROUNDS }, (_, i) => `${i + 1} poison Norm`)
    assert.deepEqual(await named(job(clip({ medianMultiple: 2 }))), norms)
    assert.deepEqual(
      (await named(job({ ...clip({ norm: 1 }), clipNorm: null, spec: {} }))).filter((text) =>
        text.includes('Norm'),
      ),
      ['1 poison Norm'],
      'once the model is far away, so is everybody',
    )
    assert.deepEqual(await named({ ...job(clip({ medianMultiple: 2 })), quadratic: () => ({}) }), [])
  })

  test('has its norm in the decision, and the bound follows from the rounds before', async () => {
    const { store } = await runFederation(job(clip({ medianMultiple: 2 })))
    const past: number[] = []
    for (let round = 1; round <= ROUNDS; round += 1) {
      const { updates, clipNorm } = await closedOf(store, round)
      const base = await modelOf(store, round - 1)
      for (const { client, norm } of updates) {
        const expected = distance(await updateOf(store, round, client), base)
        assert.ok(Math.abs(norm! / expected - 1) < 1e-12, `${client}: ${norm}, ${expected}`)
      }
      const own = updates.map(({ norm }) => norm!)
      const sorted = (past.length > 0 ? past : own).toSorted((a, b) => a - b)
      assert.equal(clipNorm, 2 * sorted[Math.floor((sorted.length - 1) / 2)]!)
      past.push(...own)
    }
  })
})

describe('the record alone determines a clipped model', () => {
  const fixed = clip({ medianMultiple: 1 })
  const reference = runFederation(job(fixed))

  for (const round of [1, 2, 3]) {
    test(`where another coordinator takes over after round ${round}`, async () => {
      const federation = await openFederation(job(fixed))
      try {
        for (const { name } of federation.live.members) void federation.work(name)
        await assert.rejects(coordinateThrough(federation, round), { code: 'Interrupted' })
        await federation.coordinate()
        assert.equal(await federation.model(), (await reference).model)
        assert.deepEqual((await verifyRecord(federation.store)).problems, [])
      } finally {
        await federation.close()
      }
    })
  }

  test('verify finds another norm, and another bound', async () => {
    const { store } = await reference
    assert.deepEqual(await problemsOf(store, fixed, (link) => link), [])
    const changed = await problemsOf(store, fixed, (link) => {
      if (link.result.value.round !== 2) return link
      const updates = link.decision!.updates.map((one) =>
        one.client === 'a' ? { ...one, norm: one.norm! * (1 + 1e-12) } : one,
      )
      return { ...link, decision: { ...link.decision!, updates } }
    })
    assert.match(changed.join('\n'), /round 2: the update of a has the norm/)
    const unclipped = await problemsOf(store, fixed, (link) =>
      link.result.value.round === 3 ? { ...link, decision: { ...link.decision!, clipNorm: null } } : link,
    )
    assert.match(unclipped.join('\n'), /^round 3: the decision clips updates to null; .* imply/)
  })
})

describe('round.maxExamples', () => {
  /** Client c claims the most that the protocol allows, of its update and of its evaluation. */
  const claims = async (maxExamples: number | null) => {
    const federation = await openFederation({
      clients: ['a', 'b', 'c'],
      rounds: 1,
      size: 100,
      fixed: { minFitClients: 3, minAvailableClients: 3 },
      round: { quorum: 3, maxExamples },
    })
    try {
      for (const client of ['a', 'b']) void federation.work(client)
      const honest = quadraticWork({ client: 'c', size: 100, numExamples: MAX_NUM_EXAMPLES })
      const evaluate = async () => ({ loss: 0, num_examples: MAX_NUM_EXAMPLES, metrics: { closeness: 1 } })
      void federation.work('c', { work: { ...honest, evaluate } })
      await federation.coordinate()
      assert.deepEqual((await verifyRecord(federation.store)).problems, [])
      return federation.store
    } finally {
      await federation.close()
    }
  }

  test('bounds what a client weighs in the model and in the evaluation; record and outcome keep its claim', async () => {
    const store = await claims(2)
    const { updates, outcomes, evaluations, evaluation } = await closedOf(store, 1)
    const base = await modelOf(store, 0)
    const weights = [2, 2, 2]
    const models = await Promise.all(['a', 'b', 'c'].map((client) => updateOf(store, 1, client)))
    const expected = base.map((from, i) =>
      Math.fround(from + models.reduce((sum, model, k) => sum + weights[k]! * (model[i]! - from), 0) / 6),
    )
    assert.deepEqual(await modelOf(store, 1), expected)
    assert.equal(updates.find(({ client }) => client === 'c')?.numExamples, MAX_NUM_EXAMPLES)
    assert.equal((await receiptOf(store, 1, 'c')).update?.numExamples, MAX_NUM_EXAMPLES)
    const { reason, message } = outcomes.find(({ client }) => client === 'c')!
    assert.deepEqual(
      { reason, message },
      { reason: 'Limited', message: 'it reports 536870912 examples, and 2 count' },
    )
    const losses = evaluations.map(({ loss }) => loss)
    assert.ok(Math.abs(evaluation!.loss - losses.reduce((sum, loss) => sum + loss, 0) / 3) < 1e-12)
    assert.equal(evaluation!.numExamples, 6)
  })

  test('absent, the claim decides both', async () => {
    const store = await claims(null)
    const [model, update] = [await modelOf(store, 1), await updateOf(store, 1, 'c')]
    assert.ok(distance(model, update) < 1e-5)
    assert.ok((await closedOf(store, 1)).evaluation!.loss < 1e-6)
  })

  test('verify finds a mean that weighs a client by more', async () => {
    const store = await claims(2)
    const [link] = (await chainOf(store, {}, 1)).links
    const uncapped = { ...link!, plan: { ...link!.plan!, maxExamples: null } }
    const problems = roundProblems({ run: undefined, links: [] }, uncapped)
    assert.ok(
      problems.includes('rounds/1/1/decision.json names another mean evaluation than its evaluations give'),
      problems.join(),
    )
  })
})
