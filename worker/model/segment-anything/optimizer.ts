// Local optimizers on plain arrays, by PyTorch's formulas. Guarantees the same numbers on every backend. Moments belong to tensor
// names, never to positions, and are plain data that the caller keeps, drops or stores.
// Sources: torch.optim.Adam, AdamW, SGD (defaults of PyTorch 2, eps 1e-8).

/** The settings of a step. Only SGD uses momentum; only Adam and AdamW use betas and epsilon. */
export interface OptimizerSettings {
  readonly type: 'Adam' | 'AdamW' | 'SGD'
  readonly learningRate: number
  readonly weightDecay?: number
  readonly momentum?: number
}

/** One tensor's moments. SGD uses the first only. */
export interface Moments {
  readonly first: Float32Array
  readonly second: Float32Array
}

/** The state between two steps. */
export interface OptimizerState {
  steps: number
  readonly moments: Map<string, Moments>
}

const BETA1 = 0.9
const BETA2 = 0.999
const EPSILON = 1e-8

/** State before the first step. */
export function freshOptimizerState(): OptimizerState {
  return { steps: 0, moments: new Map() }
}

/** One step: changes `values` and `state` in place. A tensor must have a gradient at every step or at none. */
export function optimizerStep(
  settings: OptimizerSettings,
  state: OptimizerState,
  tensors: Iterable<{ name: string; values: Float32Array; gradient: Float32Array }>,
): void {
  state.steps += 1
  for (const { name, values, gradient } of tensors) {
    let moments = state.moments.get(name)
    if (moments === undefined) {
      moments = { first: new Float32Array(values.length), second: new Float32Array(values.length) }
      state.moments.set(name, moments)
    }
    if (settings.type === 'SGD') sgd(settings, state.steps, { values, gradient, moments })
    else adam(settings, state.steps, { values, gradient, moments })
  }
}

interface Update {
  readonly values: Float32Array
  readonly gradient: Float32Array
  readonly moments: Moments
}

function adam(settings: OptimizerSettings, steps: number, { values, gradient, moments }: Update): void {
  const { learningRate, weightDecay = settings.type === 'AdamW' ? 0.01 : 0 } = settings
  const { first, second } = moments
  // AdamW shrinks the weights themselves; Adam adds the decay to the gradient.
  const shrink = settings.type === 'AdamW' ? 1 - learningRate * weightDecay : 1
  const coupled = settings.type === 'Adam' ? weightDecay : 0
  const stepSize = learningRate / (1 - BETA1 ** steps)
  const correction = Math.sqrt(1 - BETA2 ** steps)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]! * shrink
    const slope = gradient[i]! + coupled * value
    const mean = BETA1 * first[i]! + (1 - BETA1) * slope
    const square = BETA2 * second[i]! + (1 - BETA2) * slope * slope
    first[i] = mean
    second[i] = square
    values[i] = value - (stepSize * mean) / (Math.sqrt(square) / correction + EPSILON)
  }
}

function sgd(
  settings: OptimizerSettings,
  steps: number,
  { values, gradient, moments: { first } }: Update,
): void {
  const { learningRate, weightDecay = 0, momentum = 0 } = settings
  for (let i = 0; i < values.length; i++) {
    const slope = gradient[i]! + weightDecay * values[i]!
    first[i] = steps === 1 ? slope : momentum * first[i]! + slope
    values[i] = values[i]! - learningRate * first[i]!
  }
}
