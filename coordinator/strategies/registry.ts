// The table of strategies by their type in spec.strategy. The schema (crds/) has their parameters, with ranges and Flower's
// defaults. A new strategy is a type with parameters there, a function of them in STRATEGIES, which does not compile without it,
// and a test. docs/strategies.md lists the strategies.
import { parametersField } from '#protocol/defaults.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { fewestForKrum, weighByKrum } from './krum.ts'
import { weighByExamples, weighEqually } from './mean.ts'
import { adagrad, adam, sgd, sgdWithMomentum, yogi } from './optimizers.ts'
import { readParameters } from './parameters.ts'
import { fewestToTrim, median, trimmedMean } from './robust.ts'
import type { Strategy } from './strategy.ts'

type Rules = Omit<Strategy, 'name'>
type Specs = CompleteFederatedJobSpec['strategy']
/** A Program is no strategy of rounds: coordinator/program/ runs it. */
type StrategyType = Exclude<Specs['type'], 'Program'>
/** The parameters of a type, as the schema has them. */
type ParametersOf<T extends StrategyType> =
  Uncapitalize<T> extends keyof Specs ? NonNullable<Specs[Uncapitalize<T>]> : Readonly<Record<string, never>>

/** FedAvg, and the start of every other strategy. */
const weightedMean: Rules = {
  minimum: 1,
  measure: 'None',
  weigh: weighByExamples,
  combine: { kind: 'WeightedMean' },
  serverOptimizer: sgd(1),
}

/** Strategy type → what it does otherwise than FedAvg. */
export const STRATEGIES: {
  readonly [T in StrategyType]: (parameters: ParametersOf<T>) => Partial<Rules>
} = {
  FedAvg: () => ({}),
  FedAvgM: ({ serverLearningRate: rate, serverMomentum: momentum }) => ({
    serverOptimizer: momentum === 0 ? sgd(rate) : sgdWithMomentum(rate, momentum),
  }),
  FedAdam: ({ eta, beta1, beta2, tau }) => ({ serverOptimizer: adam({ eta, beta1, beta2, tau }) }),
  FedYogi: ({ eta, beta1, beta2, tau }) => ({ serverOptimizer: yogi({ eta, beta1, beta2, tau }) }),
  FedAdagrad: ({ eta, tau }) => ({ serverOptimizer: adagrad({ eta, tau }) }),
  FedMedian: () => ({ weigh: weighEqually, combine: median() }),
  FedTrimmedAvg: ({ beta }) => ({
    minimum: fewestToTrim(beta),
    weigh: weighEqually,
    combine: trimmedMean(beta),
  }),
  Krum: ({ numMaliciousNodes: malicious }) => ({
    minimum: fewestForKrum(malicious),
    measure: 'Gram',
    weigh: (updates, measured) => weighByKrum(updates, measured, { malicious, keep: 1 }),
  }),
  MultiKrum: ({ numMaliciousNodes: malicious, numNodesToSelect: keep }) => ({
    minimum: Math.max(fewestForKrum(malicious), keep),
    measure: 'Gram',
    weigh: (updates, measured) => weighByKrum(updates, measured, { malicious, keep }),
  }),
}

/**
 * The strategy that spec.strategy asks for: `type`, and its own parameters under its own name.
 * Throws FedsamError InvalidJob for an unknown type or parameter and for values out of range.
 */
export function strategyFrom(spec: { readonly type: string } & Readonly<Record<string, unknown>>): Strategy {
  const { type } = spec
  if (!isStrategy(type)) {
    throw new FedsamError(
      'InvalidJob',
      `spec.strategy.type is ${JSON.stringify(type)}, which is no strategy`,
      {
        remedy: `choose one of ${Object.keys(STRATEGIES).join(', ')}`,
      },
    )
  }
  // readParameters returns what the schema says, and the function of each type takes that.
  const make = STRATEGIES[type] as (parameters: unknown) => Partial<Rules>
  const parameters = readParameters(type, spec[parametersField(type)] ?? {})
  return { name: type, ...weightedMean, ...make(parameters) }
}

function isStrategy(type: string): type is StrategyType {
  return Object.hasOwn(STRATEGIES, type)
}
