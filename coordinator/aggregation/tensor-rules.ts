// The tensor list of a run: the rule by which each tensor is aggregated, from its name, its dtype and its neighbours. Pure.
// Running statistics of a normalisation must not go through a server optimizer: a step can make a variance negative. Where names
// do not show them, the advice says so before the first step.

import type { DType, TensorList, TensorSpec } from '#protocol/tensors.ts'
import { listed } from '#protocol/text.ts'
import type { ServerOptimizer, Strategy } from '../strategies/strategy.ts'

/**
 * The tensor list that these tensors fix, in their order. Floats are optimised, running statistics of normalisation averaged;
 * counters keep the largest; flags and bytes stay.
 */
export function tensorList(tensors: readonly TensorSpec[]): TensorList {
  const recognised = new Set(statisticsByPlace(tensors))
  return tensors.map(({ name, shape, dtype }) => {
    return { name, shape: [...shape], dtype, rule: recognised.has(name) ? 'Average' : ruleFor(name, dtype) }
  })
}

/** Statistics as PyTorch (`bn.running_var`), Keras (`bn/moving_variance:0`) and Flax (`batch_stats/bn/var`) name them. */
const STATISTICS = [
  /(^|[./])running_(mean|var)$/,
  /(^|[./])moving_(mean|variance)(:\d+)?$/,
  /(^|[./])batch_stats[./](.*[./])?(mean|var)$/,
]

function ruleFor(name: string, dtype: DType): TensorList[number]['rule'] {
  if (isFloat(dtype)) return STATISTICS.some((pattern) => pattern.test(name)) ? 'Average' : 'Optimise'
  return isCounter(dtype) ? 'Largest' : 'Keep'
}

const isFloat = (dtype: DType): boolean => ['F64', 'F32', 'F16', 'BF16'].includes(dtype)
const isCounter = (dtype: DType): boolean => dtype === 'I64' || dtype === 'I32'

/** The names that fedsam_client gives to arrays without names: their places. */
const areNumbered = (tensors: readonly TensorSpec[]): boolean =>
  tensors.every(({ name }) => /^\d{4,}$/.test(name))

/**
 * Names of the tensors without names that are statistics by their place: PyTorch's norms hold a mean and a variance of one shape
 * before a counter of batches, a single integer.
 */
function statisticsByPlace(tensors: readonly TensorSpec[]): string[] {
  if (!areNumbered(tensors)) return []
  return tensors.flatMap((counter, i) => {
    const [mean, variance] = [tensors[i - 2], tensors[i - 1]]
    if (!isCounter(counter.dtype) || counter.shape.length > 0) return []
    return mean && variance && areTwins(mean, variance) ? [mean.name, variance.name] : []
  })
}

/** Two float vectors of one length, as a mean and a variance are. */
function areTwins(one: TensorSpec, other: TensorSpec): boolean {
  const areVectors = one.shape.length === 1 && other.shape.length === 1 && one.shape[0] === other.shape[0]
  return areVectors && isFloat(one.dtype) && isFloat(other.dtype)
}

/** What the user should know of a run's tensors before its first step; undefined where nothing is in doubt. */
export function adviceOn(list: TensorList, strategy: Strategy): string | undefined {
  if (!areNumbered(list) || isPlainMean(strategy.serverOptimizer)) return undefined
  const remedy = 'give the class parameter_names(), such as: return list(self.model.state_dict())'
  const averaged = list.filter(({ rule }) => rule === 'Average').map(({ name }) => name)
  const inDoubt = list.some((tensor, i) => {
    const next = list[i + 1]
    return (
      next !== undefined && tensor.rule === 'Optimise' && next.rule === 'Optimise' && areTwins(tensor, next)
    )
  })
  const known =
    averaged.length === 0
      ? ''
      : `${shown(averaged)} look like running_mean and running_var, so they are averaged without ${strategy.name}`
  const doubt = `the tensors have no names, and ${strategy.name} steps on all other floats, which can make a running variance negative`
  if (averaged.length > 0) return `${known}; ${inDoubt ? `${doubt}; ` : ''}to be certain, ${remedy}`
  return inDoubt ? `${doubt}; if the model has batch normalisation, ${remedy}` : undefined
}

/** Names in one sentence, at most. */
const NAMED = 6

function shown(names: readonly string[]): string {
  return `tensors ${listed(names, NAMED)}`
}

/** Whether the optimizer only adds the combined delta, so that means stay means. Two steps show momentum too. */
function isPlainMean(optimizer: ServerOptimizer): boolean {
  const values = Float64Array.of(1)
  const delta = Float64Array.of(0.5)
  const vectors = optimizer.vectors.map(() => new Float64Array(1))
  const first = optimizer.nextScalars(optimizer.scalars)
  optimizer.step({ values, delta, vectors, scalars: first })
  optimizer.step({ values, delta, vectors, scalars: optimizer.nextScalars(first) })
  return values[0] === 2
}
