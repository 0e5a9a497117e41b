// The strategies by their type in spec.strategy: parameters with Flower's defaults, and what they make.
// A new one is a function of its parameters, a line in STRATEGIES and a test; docs/strategies.md lists them.

import { FedsamError } from '#protocol/errors.ts'
import { fewestForKrum, weighByKrum } from './krum.ts'
import { weighByExamples, weighEqually } from './mean.ts'
import { adagrad, adam, sgd, sgdWithMomentum, yogi } from './optimizers.ts'
import { below, count, type Parameters, positive, readParameters, type ValuesOf } from './parameters.ts'
import { fewestToTrim, median, trimmedMean } from './robust.ts'
import type { Strategy } from './strategy.ts'

type Rules = Omit<Strategy, 'name'>

interface Preset {
  readonly parameters: Parameters
  make(values: Readonly<Record<string, number>>): Rules
}

function preset<const P extends Parameters>(
  parameters: P,
  make: (values: ValuesOf<P>) => Partial<Rules>,
): Preset {
  return { parameters, make: (values) => ({ ...weightedMean, ...make(values as ValuesOf<P>) }) }
}

/** FedAvg; every other strategy says what it does otherwise. */
const weightedMean: Rules = {
  minimum: 1,
  measure: 'None',
  weigh: weighByExamples,
  combine: { kind: 'WeightedMean' },
  serverOptimizer: sgd(1),
}

/** Strategy type → what it is. */
export const STRATEGIES: Readonly<Record<string, Preset>> = {
  FedAvg: preset({}, () => ({})),
  FedAvgM: preset(
    { serverLearningRate: positive(1), serverMomentum: below(1, 0) },
    ({ serverLearningRate: rate, serverMomentum: momentum }) => ({
      serverOptimizer: momentum === 0 ? sgd(rate) : sgdWithMomentum(rate, momentum),
    }),
  ),
  FedAdam: preset(
    { eta: positive(0.1), beta1: below(1, 0.9), beta2: below(1, 0.99), tau: positive(1e-3) },
    (values) => ({ serverOptimizer: adam(values) }),
  ),
  FedYogi: preset(
    { eta: positive(0.01), beta1: below(1, 0.9), beta2: below(1, 0.99), tau: positive(1e-3) },
    (values) => ({ serverOptimizer: yogi(values) }),
  ),
  FedAdagrad: preset({ eta: positive(0.1), tau: positive(1e-3) }, (values) => ({
    serverOptimizer: adagrad(values),
  })),
  FedMedian: preset({}, () => ({ weigh: weighEqually, combine: median() })),
  FedTrimmedAvg: preset({ beta: below(0.5, 0.2) }, ({ beta }) => ({
    minimum: fewestToTrim(beta),
    weigh: weighEqually,
    combine: trimmedMean(beta),
  })),
  Krum: preset({ numMaliciousNodes: count(0, 0) }, ({ numMaliciousNodes: malicious }) => ({
    minimum: fewestForKrum(malicious),
    measure: 'Gram',
    weigh: (updates, measured) => weighByKrum(updates, measured, { malicious, keep: 1 }),
  })),
  MultiKrum: preset(
    { numMaliciousNodes: count(0, 0), numNodesToSelect: count(1, 1) },
    ({ numMaliciousNodes: malicious, numNodesToSelect: keep }) => ({
      minimum: Math.max(fewestForKrum(malicious), keep),
      measure: 'Gram',
      weigh: (updates, measured) => weighByKrum(updates, measured, { malicious, keep }),
    }),
  ),
}

/** The field of spec.strategy that holds a type's own parameters: FedAdam → fedAdam. */
export function parametersField(type: string): string {
  return type.charAt(0).toLowerCase() + type.slice(1)
}

/**
 * The strategy that spec.strategy asks for: `type`, and its own parameters under its own name.
 * Throws FedsamError InvalidJob for an unknown type or parameter and for values out of range.
 */
export function strategyFrom(spec: { readonly type: string } & Readonly<Record<string, unknown>>): Strategy {
  const found = Object.hasOwn(STRATEGIES, spec.type) ? STRATEGIES[spec.type]! : undefined
  if (found === undefined) {
    throw new FedsamError(
      'InvalidJob',
      `spec.strategy.type is ${JSON.stringify(spec.type)}, which is no strategy`,
      {
        remedy: `choose one of ${Object.keys(STRATEGIES).join(', ')}`,
      },
    )
  }
  const field = parametersField(spec.type)
  const values = readParameters(found.parameters, spec[field] ?? {}, `spec.strategy.${field}`)
  return { name: spec.type, ...found.make(values) }
}
