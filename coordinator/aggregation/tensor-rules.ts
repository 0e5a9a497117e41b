// The tensor list of a run: it chooses the aggregation rule of each tensor from its name, dtype and neighbours. Pure. A server
// optimizer must not step on running statistics of a normalisation layer, because a step can make a variance negative. If tensors
// have no names, adviceOn explains the doubt before the first step.

import type { DType, TensorList, TensorSpec } from '#protocol/tensors.ts'
import { listed } from '#protocol/text.ts'
import type { ServerOptimizer, Strategy } from '../strategies/strategy.ts'

/**
 * The tensor list of these tensors, in their order. Floats are optimised, and running statistics of normalisation layers are
 * averaged. Counters take the largest value. Flags and bytes keep their values.
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

/** fedsam_client names arrays without names by their positions. */
const areNumbered = (tensors: readonly TensorSpec[]): boolean =>
  tensors.every(({ name }) => /^\d{4,}$/.test(name))

/**
 * Numbered tensors that are statistics by their position: a PyTorch normalisation layer has a mean and a variance of one shape,
 * then a counter of batches, which is a single integer.
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

/** Advice to the user before the first step; undefined where the rule of no tensor is in doubt. */
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

/** Tensors that the advice names. It counts the rest. */
const NAMED = 6

function shown(names: readonly string[]): string {
  return `tensors ${listed(names, NAMED)}`
}

/** Whether the optimizer only adds the combined delta, so that it averages statistics too. Two steps also show momentum. */
function isPlainMean(optimizer: ServerOptimizer): boolean {
  const values = Float64Array.of(1)
  const delta = Float64Array.of(0.5)
  const vectors = optimizer.vectors.map(() => new Float64Array(1))
  const first = optimizer.nextScalars(optimizer.scalars)
  optimizer.step({ values, delta, vectors, scalars: first })
  optimizer.step({ values, delta, vectors, scalars: optimizer.nextScalars(first) })
  return values[0] === 2
}
