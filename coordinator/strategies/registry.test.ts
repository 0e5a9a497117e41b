import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parametersSchema, SPEC_SCHEMA } from '#protocol/defaults.ts'
import { FedsamError } from '#protocol/errors.ts'
import { weighByKrum } from './krum.ts'
import { addDelta, divide } from './mean.ts'
import { readParameters } from './parameters.ts'
import { STRATEGIES, strategyFrom } from './registry.ts'
import type { Strategy } from './strategy.ts'

const TYPES = Object.keys(STRATEGIES)

interface Given {
  readonly base: number[]
  /** Each update's parameters and num_examples. */
  readonly updates: readonly (readonly [parameters: number[], numExamples: number])[]
  readonly rounds?: number
}

/** A strategy on arrays of three numbers, as the fold applies it; every round gets the same deltas. */
function apply(strategy: Strategy, { base, updates, rounds = 1 }: Given): number[] {
  const from = Float64Array.from(base)
  const deltas = updates.map(([parameters]) => {
    const delta = new Float64Array(from.length)
    addDelta(delta, Float64Array.from(parameters), from, 1)
    return delta
  })
  const gram = Float64Array.from(
    deltas.flatMap((a) => deltas.map((b) => a.reduce((sum, x, i) => sum + x * b[i]!, 0))),
  )
  const summaries = updates.map(([, numExamples], i) => ({ client: `site-${i}`, numExamples, metrics: {} }))
  const weights = strategy.weigh(summaries, { gram })
  const delta = combined(strategy, deltas, weights)
  const { serverOptimizer } = strategy
  const values = from.slice()
  const vectors = serverOptimizer.vectors.map(() => new Float64Array(from.length))
  let { scalars } = serverOptimizer
  for (let round = 0; round < rounds; round++) {
    scalars = serverOptimizer.nextScalars(scalars)
    serverOptimizer.step({ values, delta, vectors, scalars })
  }
  return [...values]
}

function combined({ combine }: Strategy, deltas: Float64Array[], weights: Float64Array): Float64Array {
  const out = new Float64Array(deltas[0]!.length)
  if (combine.kind === 'Columns') {
    combine.combine(
      deltas.filter((_, i) => weights[i] !== 0),
      out,
    )
    return out
  }
  const none = new Float64Array(out.length)
  for (const [i, delta] of deltas.entries()) addDelta(out, delta, none, weights[i]!)
  divide(
    out,
    weights.reduce((sum, weight) => sum + weight, 0),
  )
  return out
}

/** Three honest updates and one that is far off and claims many examples. */
const OUTLIER: Given = {
  base: [0, 10, 0],
  updates: [
    [[1, 11, 0], 2],
    [[2, 12, 0.5], 1],
    [[3, 13, 0.25], 1],
    [[-900, 900, 900], 1000],
  ],
}
const PAIR: Given = {
  base: [1, 1, 1],
  updates: [
    [[2, 1, 0], 1],
    [[4, 1, 0], 3],
  ],
}
/** Delta of PAIR is [2.5, 0, -1]. */

const close = (actual: number[], expected: number[]): void => {
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs(actual[i]! - value) < 1e-12, `${actual} is not ${expected}`)
  assert.equal(actual.length, expected.length)
}

test('FedAvg: the mean weighted by num_examples', () => {
  close(apply(strategyFrom({ type: 'FedAvg' }), PAIR), [3.5, 1, 0])
})

test('FedAvgM: without momentum a learning rate, with it a velocity', () => {
  const slow = { serverLearningRate: 0.5 }
  close(apply(strategyFrom({ type: 'FedAvgM' }), PAIR), [3.5, 1, 0])
  assert.deepEqual(strategyFrom({ type: 'FedAvgM', fedAvgM: slow }).serverOptimizer.vectors, [])
  close(apply(strategyFrom({ type: 'FedAvgM', fedAvgM: slow }), PAIR), [2.25, 1, 0.5])
  const heavy = strategyFrom({ type: 'FedAvgM', fedAvgM: { ...slow, serverMomentum: 0.5 } })
  // Two rounds of delta d: 0.5 d, then 0.5 (0.5 d + d).
  close(apply(heavy, { ...PAIR, rounds: 2 }), [1 + 2.5 * 1.25, 1, 1 - 1.25])
})

test("FedAdam: the first round's correction has exponent 2, as Flower's", () => {
  const adam = strategyFrom({ type: 'FedAdam', fedAdam: { eta: 1, beta1: 0.5, beta2: 0.75, tau: 1 } })
  const step = (d: number): number => {
    const rate = Math.sqrt(1 - 0.75 ** 2) / (1 - 0.5 ** 2)
    return (rate * 0.5 * d) / (Math.sqrt(0.25 * d * d) + 1)
  }
  close(apply(adam, PAIR), [1 + step(2.5), 1, 1 + step(-1)])
})

test('FedYogi: the second moment moves by the sign of its error', () => {
  const yogi = strategyFrom({ type: 'FedYogi', fedYogi: { eta: 1, beta1: 0, beta2: 0, tau: 1 } })
  // Round 1: v = d². Round 2: v - d² = 0, so v stays.
  const step = (d: number): number => (2 * d) / (Math.abs(d) + 1)
  close(apply(yogi, { ...PAIR, rounds: 2 }), [1 + step(2.5), 1, 1 + step(-1)])
})

test('FedAdagrad: squares add up', () => {
  const adagrad = strategyFrom({ type: 'FedAdagrad', fedAdagrad: { eta: 1, tau: 1 } })
  const two = (d: number): number => d / (Math.abs(d) + 1) + d / (Math.sqrt(2 * d * d) + 1)
  close(apply(adagrad, { ...PAIR, rounds: 2 }), [1 + two(2.5), 1, 1 + two(-1)])
})

test('FedMedian: unweighted; of an even number the mean of the middle two', () => {
  const median = strategyFrom({ type: 'FedMedian' })
  close(apply(median, OUTLIER), [1.5, 12.5, 0.375])
  close(apply(median, { ...OUTLIER, updates: OUTLIER.updates.slice(0, 3) }), [2, 12, 0.25])
})

test('FedTrimmedAvg: unweighted, both tails cut', () => {
  const trimmed = strategyFrom({ type: 'FedTrimmedAvg', fedTrimmedAvg: { beta: 0.25 } })
  close(apply(trimmed, OUTLIER), [1.5, 12.5, 0.375])
})

test('more than 40 updates are sorted like fewer ones', () => {
  const median = strategyFrom({ type: 'FedMedian' })
  const updates = Array.from({ length: 101 }, (_, i) => [[(i * 37) % 101, -i, 1], 1] as const)
  close(apply(median, { base: [0, 0, 0], updates: updates.map(([p, n]) => [[...p], n]) }), [50, -50, 1])
})

test('Krum: of equal scores the first in the order of the names is kept', () => {
  const updates = [5, 3, 4].map((numExamples, i) => ({ client: `c${i}`, numExamples, metrics: {} }))
  // Every pair of deltas has the same distance.
  const gram = Float64Array.from([1, 0, 0, 0, 1, 0, 0, 0, 1])
  const weights = (keep: number) => [...weighByKrum(updates, { gram }, { malicious: 0, keep })]
  assert.deepEqual(weights(1), [5, 0, 0])
  assert.deepEqual(weights(2), [5, 3, 0])
})

test('Krum: one of the updates that are close together; Multi-Krum: the mean of several', () => {
  const krum = strategyFrom({ type: 'Krum', krum: { numMaliciousNodes: 0 } })
  close(apply(krum, OUTLIER), [2, 12, 0.5])
  const multi = strategyFrom({ type: 'MultiKrum', multiKrum: { numNodesToSelect: 3 } })
  close(apply(multi, OUTLIER), [1.75, 11.75, 0.1875])
})

test('the fewest updates that a strategy can combine', () => {
  const minimum = (type: string, own = {}): number => {
    return strategyFrom({ type, [type.charAt(0).toLowerCase() + type.slice(1)]: own }).minimum
  }
  assert.equal(minimum('FedAvg'), 1)
  assert.equal(minimum('FedTrimmedAvg'), 5, 'int(0.2 × 4) cuts nothing: it would silently be the mean')
  assert.equal(minimum('FedTrimmedAvg', { beta: 0.3 }), 4)
  assert.equal(minimum('FedTrimmedAvg', { beta: 0 }), 1)
  assert.equal(minimum('FedTrimmedAvg', { beta: 1e-9 }), 1e9)
  assert.equal(minimum('Krum', { numMaliciousNodes: 2 }), 7)
  assert.equal(minimum('MultiKrum', { numNodesToSelect: 9 }), 9)
})

test('every type of the schema is a strategy of rounds, but for Program', () => {
  const { enum: types = [] } = SPEC_SCHEMA.properties?.strategy?.properties?.type ?? {}
  assert.ok(TYPES.length >= 9)
  assert.deepEqual(types, [...TYPES, 'Program'])
})

test('no strategy changes the model where no update changes it', () => {
  for (const type of TYPES) {
    const still: Given = {
      base: [1, -2, 3],
      updates: Array.from({ length: 5 }, (_, i) => [[1, -2, 3], i + 1]),
    }
    assert.deepEqual(apply(strategyFrom({ type }), still), [1, -2, 3], type)
  }
})

test('without parameters a strategy has the defaults of the schema, each in its range', () => {
  let parameters = 0
  for (const type of TYPES) {
    const own = Object.entries(parametersSchema('strategy', type)?.properties ?? {})
    const defaults = Object.fromEntries(own.map(([name, schema]) => [name, schema.default]))
    parameters += own.length
    assert.deepEqual(readParameters(type, {}), defaults, type)
    assert.equal(strategyFrom({ type }).name, type)
    for (const [name, { minimum, maximum }] of own) {
      for (const value of [minimum! - 1, maximum! + 1])
        assert.throws(
          () => readParameters(type, { [name]: value }),
          { code: 'InvalidJob' },
          `${type}.${name}`,
        )
    }
  }
  assert.ok(parameters >= 15)
})

test('docs/strategies.md has a row for every strategy, with its parameters and their defaults', async () => {
  const page = await readFile('docs/strategies.md', 'utf8')
  const rows = new Map([...page.matchAll(/^\| (\w+) \|([^|]*)\|/gm)].map(([, type, own]) => [type, own!]))
  for (const type of TYPES) {
    const row = rows.get(type) ?? assert.fail(`${type} has no row`)
    const said = [...row.matchAll(/(\w+)[^(,]* \(([^)]*)\)/g)].map(([, name, value]) => [name, Number(value)])
    const own = Object.entries(parametersSchema('strategy', type)?.properties ?? {})
    assert.deepEqual(
      said,
      own.map(([name, schema]) => [name, schema.default]),
      type,
    )
  }
})

test('a wrong strategy is refused, and the error names the field', () => {
  const cases: [Parameters<typeof strategyFrom>[0], string][] = [
    [{ type: 'FedSGD' }, 'spec.strategy.type is "FedSGD", which is no strategy'],
    [{ type: 'toString' }, 'spec.strategy.type is "toString", which is no strategy'],
    [
      { type: 'FedAdam', fedAdam: { eta: 0 } },
      'spec.strategy.fedAdam.eta is 0, not a number above 0 and up to 1000',
    ],
    [
      { type: 'FedAdam', fedAdam: { beta1: 1 } },
      'spec.strategy.fedAdam.beta1 is 1, not a number from 0 and below 1',
    ],
    [
      { type: 'FedAdam', fedAdam: { eta: '1e-3' } },
      'spec.strategy.fedAdam.eta is "1e-3", not a number above 0 and up to 1000',
    ],
    [
      { type: 'FedAdam', fedAdam: { momentum: 1 } },
      'spec.strategy.fedAdam.momentum is not a parameter of this strategy',
    ],
    [
      { type: 'FedMedian', fedMedian: { beta: 1 } },
      'spec.strategy.fedMedian.beta is not a parameter of this strategy',
    ],
    [
      { type: 'FedTrimmedAvg', fedTrimmedAvg: { beta: 0.5 } },
      'spec.strategy.fedTrimmedAvg.beta is 0.5, not below 0.5',
    ],
    [
      { type: 'Krum', krum: { numMaliciousNodes: 0.5 } },
      'spec.strategy.krum.numMaliciousNodes is 0.5, not a whole number from 0 and up to 1000',
    ],
    [
      { type: 'FedYogi', fedYogi: { tau: 1001 } },
      'spec.strategy.fedYogi.tau is 1001, not a number above 0 and up to 1000',
    ],
    [{ type: 'FedAdam', fedAdam: 3 }, 'spec.strategy.fedAdam is not a map'],
  ]
  for (const [spec, message] of cases) {
    const refused = (error: unknown): boolean =>
      error instanceof FedsamError &&
      error.code === 'InvalidJob' &&
      error.message === message &&
      error.remedy !== ''
    assert.throws(() => strategyFrom(spec), refused, message)
  }
})
